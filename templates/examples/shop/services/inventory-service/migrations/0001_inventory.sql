CREATE TABLE items (
    name TEXT PRIMARY KEY,
    price_cents BIGINT NOT NULL,
    stock BIGINT NOT NULL CHECK (stock >= 0)
);

INSERT INTO items (name, price_cents, stock) VALUES
    ('book', 2000, 1000000),
    ('lamp', 4500, 1000000),
    ('chair', 12000, 100);

CREATE TABLE reservations (
    key TEXT PRIMARY KEY,
    item TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    -- `reserved` or `released`.
    state TEXT NOT NULL
);

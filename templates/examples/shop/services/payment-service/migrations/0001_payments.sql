CREATE TABLE accounts (
    user_id TEXT PRIMARY KEY,
    balance_cents BIGINT NOT NULL CHECK (balance_cents >= 0)
);

CREATE TABLE payments (
    key TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    amount_cents BIGINT NOT NULL,
    -- `charged` or `refunded`.
    state TEXT NOT NULL
);

CREATE TABLE orders (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    item TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    total_cents BIGINT NOT NULL,
    -- `pending`, `confirmed` or `cancelled`.
    status TEXT NOT NULL,
    reason TEXT NOT NULL
);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    order_count BIGINT NOT NULL
);

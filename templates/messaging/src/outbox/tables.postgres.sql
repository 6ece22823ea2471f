CREATE TABLE messaging_outbox (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic TEXT NOT NULL,
    id TEXT NOT NULL,
    message_key TEXT,
    headers TEXT NOT NULL,
    payload BYTEA NOT NULL,
    attempts BIGINT NOT NULL,
    due BIGINT NOT NULL
);
CREATE INDEX messaging_outbox_by_key ON messaging_outbox (topic, message_key, sequence);
CREATE TABLE messaging_leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until BIGINT NOT NULL
);
CREATE TABLE messaging_inbox (
    group_name TEXT NOT NULL,
    id TEXT NOT NULL,
    accepted BIGINT NOT NULL,
    PRIMARY KEY (group_name, id)
);
CREATE INDEX messaging_inbox_by_time ON messaging_inbox (accepted);

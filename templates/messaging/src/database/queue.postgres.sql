CREATE TABLE messaging_groups (
    topic TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (topic, name)
);
CREATE TABLE messaging_messages (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic TEXT NOT NULL,
    group_name TEXT NOT NULL,
    id TEXT NOT NULL,
    message_key TEXT,
    headers TEXT NOT NULL,
    payload BYTEA NOT NULL,
    deliveries BIGINT NOT NULL,
    claimed_by TEXT,
    claimed_until BIGINT NOT NULL
);
CREATE INDEX messaging_messages_in_order ON messaging_messages (topic, group_name, sequence);
CREATE INDEX messaging_messages_by_key ON messaging_messages (topic, group_name, message_key, sequence);
CREATE INDEX messaging_messages_claimed ON messaging_messages (claimed_by) WHERE claimed_by IS NOT NULL;

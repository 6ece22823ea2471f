CREATE TABLE tags (
    note TEXT NOT NULL REFERENCES notes (id),
    tag TEXT NOT NULL,
    PRIMARY KEY (note, tag)
);

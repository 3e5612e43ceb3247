CREATE TABLE answers (
    question BLOB PRIMARY KEY,  -- SHA-256 of Idempotency-Key, model and body
    at TEXT NOT NULL,
    answer BLOB NOT NULL
) STRICT;

CREATE INDEX answers_by_time ON answers (at);

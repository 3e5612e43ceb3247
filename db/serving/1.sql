CREATE TABLE logs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- pages of /logs are cut by id, so an id is never given out twice
    at TEXT NOT NULL,
    level INTEGER NOT NULL,
    logger TEXT NOT NULL,
    message TEXT NOT NULL,
    request_id TEXT,
    exception TEXT
) STRICT;

CREATE INDEX logs_by_request ON logs (request_id) WHERE request_id IS NOT NULL;

CREATE TABLE activations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    workspace TEXT NOT NULL,
    model TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    source TEXT NOT NULL CHECK (source IN ('bundled', 'cache', 'registry')),
    request_id TEXT  -- of the request that asked for it; its log rows have the same
) STRICT;

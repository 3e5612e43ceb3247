-- The models that are loaded beside the active one, so that a restart loads them again. The oldest is first.
CREATE TABLE challengers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    workspace TEXT NOT NULL,
    model TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    request_id TEXT,  -- of the request that asked for it; its log rows have the same
    UNIQUE (workspace, model, version)
) STRICT;

-- Times are Unix milliseconds; 0 means never. Sizes are bytes.

CREATE TABLE apps (
    id            TEXT PRIMARY KEY,
    bundle        TEXT NOT NULL,               -- JSON of the bundle as read at install or update
    context       TEXT NOT NULL,               -- release context
    life          TEXT NOT NULL,               -- JSON of lifecycle.State
    waits         INTEGER NOT NULL,            -- 1 while the life cycle is under way
    first_launch  INTEGER NOT NULL DEFAULT 0,  -- lifts the restrictions for good
    last_launch   INTEGER NOT NULL DEFAULT 0,
    launches      INTEGER NOT NULL DEFAULT 0,
    budget_day    INTEGER NOT NULL DEFAULT 0,  -- days since the epoch, UTC
    budget_used   INTEGER NOT NULL DEFAULT 0,  -- milliseconds inside extension calls on that day
    spent         INTEGER NOT NULL DEFAULT 0,  -- non-essential bytes accounted before first launch
    spent_essential INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE downloads (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,       -- age
    id          TEXT NOT NULL UNIQUE,                    -- unique identifier
    app         TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    kind        TEXT NOT NULL,                           -- file, manifest
    identifier  TEXT NOT NULL,
    state       TEXT NOT NULL,                           -- Apple's five words
    essential   INTEGER NOT NULL,
    priority    INTEGER NOT NULL,
    size        INTEGER NOT NULL,                        -- declared, 0 unknown
    grp         TEXT NOT NULL,
    host        TEXT NOT NULL,                           -- of the first URL
    request     TEXT NOT NULL,                           -- JSON: url, method, headers, body
    bytes       INTEGER NOT NULL DEFAULT 0,              -- synced to disk
    total       INTEGER NOT NULL DEFAULT 0,              -- 0 unknown
    validator   TEXT NOT NULL DEFAULT '',
    boot        TEXT NOT NULL DEFAULT '',                -- of the machine when the bytes were written
    attempts    INTEGER NOT NULL DEFAULT 0,              -- without progress
    next_try    INTEGER NOT NULL DEFAULT 0,
    moved       INTEGER NOT NULL DEFAULT 0,              -- when bytes last moved, or it was queued
    reason      TEXT NOT NULL DEFAULT '',                -- JSON, why it waits or failed
    error       TEXT NOT NULL DEFAULT '',                -- JSON
    delivery    TEXT NOT NULL DEFAULT '',                -- '', due, done, held
    deliveries  INTEGER NOT NULL DEFAULT 0,
    next_delivery INTEGER NOT NULL DEFAULT 0,
    path        TEXT NOT NULL DEFAULT '',                -- in the inbox
    ended       INTEGER NOT NULL DEFAULT 0
) STRICT;

-- One scheduled download per identifier (code 100).
CREATE UNIQUE INDEX downloads_scheduled ON downloads (app, kind, identifier) WHERE state NOT IN ('finished', 'failed');
CREATE INDEX downloads_named ON downloads (app, kind, identifier);
CREATE INDEX downloads_order ON downloads (app, state, essential DESC, priority DESC, seq);
CREATE INDEX downloads_due ON downloads (app, delivery, next_delivery) WHERE delivery = 'due';

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

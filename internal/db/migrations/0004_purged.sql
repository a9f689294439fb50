-- Files that were purged and whose app has not been told yet.
CREATE TABLE purged (
    seq  INTEGER PRIMARY KEY AUTOINCREMENT,
    app  TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    path TEXT NOT NULL,                                       -- from the group container
    size INTEGER NOT NULL
) STRICT;
CREATE INDEX purged_of ON purged (app, seq);

-- A download of kind 'pack' is the way of one asset pack to the shelf.
ALTER TABLE downloads ADD COLUMN pack TEXT NOT NULL DEFAULT '';       -- JSON of asset.Pack, of that kind

-- What is remembered of an app's packs beside the shelf, whose files are the truth.
CREATE TABLE packs (
    app       TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    id        TEXT NOT NULL,
    explicit  INTEGER NOT NULL DEFAULT 0,  -- the app asked for it
    PRIMARY KEY (app, id)
) STRICT;

ALTER TABLE apps ADD COLUMN asks       INTEGER NOT NULL DEFAULT 0;    -- 1 when the bundle has an extension
UPDATE apps SET asks = json_extract(bundle, '$.Extension') IS NOT NULL;
ALTER TABLE apps ADD COLUMN prefs      TEXT NOT NULL DEFAULT '{}';    -- JSON of apps.Preferences
ALTER TABLE apps ADD COLUMN score      REAL NOT NULL DEFAULT 0;       -- lifecycle.Habit: launches that fade
ALTER TABLE apps ADD COLUMN scored     INTEGER NOT NULL DEFAULT 0;    -- as of then
ALTER TABLE apps ADD COLUMN checked    INTEGER NOT NULL DEFAULT 0;    -- the last content request began
ALTER TABLE apps ADD COLUMN chance     REAL NOT NULL DEFAULT 0;       -- drawn then
ALTER TABLE apps ADD COLUMN not_before INTEGER NOT NULL DEFAULT 0;    -- what a server asked for
ALTER TABLE apps ADD COLUMN asked_language TEXT NOT NULL DEFAULT '';  -- the language of the last content request

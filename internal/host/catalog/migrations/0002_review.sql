CREATE TABLE submissions (
	id        TEXT PRIMARY KEY,
	app       INTEGER NOT NULL REFERENCES apps,
	platform  TEXT NOT NULL, -- empty: any
	state     TEXT NOT NULL,
	created   INTEGER NOT NULL,
	submitted INTEGER NOT NULL -- 0: not yet
) STRICT;

CREATE TABLE items (
	id         TEXT PRIMARY KEY,
	submission TEXT NOT NULL REFERENCES submissions,
	version    TEXT NOT NULL REFERENCES versions,
	state      TEXT NOT NULL,
	UNIQUE (submission, version)
) STRICT;
CREATE INDEX items_version ON items (version);

-- When devices first had it; 0: never.
ALTER TABLE releases ADD COLUMN live INTEGER NOT NULL DEFAULT 0;

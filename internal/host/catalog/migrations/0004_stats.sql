-- What devices fetched, by day. Nothing of who they are.
CREATE TABLE stats (
	app      INTEGER NOT NULL REFERENCES apps,
	day      INTEGER NOT NULL, -- since 1970, UTC
	kind     TEXT NOT NULL,
	context  TEXT NOT NULL, -- of a check; empty otherwise
	version  TEXT NOT NULL, -- of what was fetched; empty for checks
	requests INTEGER NOT NULL,
	bytes    INTEGER NOT NULL,
	PRIMARY KEY (app, day, kind, context, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX versions_blob ON versions (blob);
CREATE INDEX deltas_blob ON deltas (blob);

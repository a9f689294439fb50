CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE apps (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	bundle  TEXT NOT NULL UNIQUE,
	name    TEXT NOT NULL,
	locale  TEXT NOT NULL,
	review  INTEGER NOT NULL, -- 1: a person decides before external testers and the public get a version
	quota   INTEGER NOT NULL, -- bytes
	created INTEGER NOT NULL  -- here and below: milliseconds since 1970
) STRICT;

-- The public halves of keys. app is 0 for a key that may touch every app.
CREATE TABLE keys (
	id      TEXT PRIMARY KEY,
	name    TEXT NOT NULL,
	role    TEXT NOT NULL,
	app     INTEGER NOT NULL,
	public  BLOB NOT NULL,
	created INTEGER NOT NULL,
	revoked INTEGER NOT NULL -- 0: it is in force
) STRICT, WITHOUT ROWID;

CREATE TABLE packs (
	id         TEXT PRIMARY KEY,
	app        INTEGER NOT NULL REFERENCES apps,
	identifier TEXT NOT NULL COLLATE NOCASE,
	created    INTEGER NOT NULL,
	archived   INTEGER NOT NULL,
	last       INTEGER NOT NULL, -- the highest version number that was given
	UNIQUE (app, identifier)
) STRICT;

CREATE TABLE versions (
	id        TEXT PRIMARY KEY,
	pack      TEXT NOT NULL REFERENCES packs,
	number    INTEGER NOT NULL,
	state     TEXT NOT NULL,
	details   TEXT NOT NULL,
	platforms TEXT NOT NULL,
	locale    TEXT NOT NULL,
	created   INTEGER NOT NULL,
	blob      TEXT NOT NULL, -- SHA-256 of the archive; empty until it is known
	size      INTEGER NOT NULL,
	offer     TEXT NOT NULL, -- its row in a download manifest; empty until it is known
	UNIQUE (pack, number)
) STRICT;

CREATE TABLE files (
	id        TEXT PRIMARY KEY,
	version   TEXT NOT NULL REFERENCES versions,
	type      TEXT NOT NULL,
	name      TEXT NOT NULL,
	size      INTEGER NOT NULL,
	part      INTEGER NOT NULL, -- bytes of each part but the last
	state     TEXT NOT NULL,
	problems  TEXT NOT NULL,
	checksums TEXT NOT NULL,
	created   INTEGER NOT NULL,
	content   TEXT NOT NULL -- of a manifest that was accepted
) STRICT;
CREATE INDEX files_version ON files (version);

CREATE TABLE parts (
	file   TEXT NOT NULL REFERENCES files,
	number INTEGER NOT NULL,
	md5    TEXT NOT NULL,
	PRIMARY KEY (file, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE releases (
	id      TEXT PRIMARY KEY,
	version TEXT NOT NULL REFERENCES versions,
	channel TEXT NOT NULL, -- a release context
	state   TEXT NOT NULL,
	fits    TEXT NOT NULL, -- versions of the app, as in a download manifest; empty: all
	created INTEGER NOT NULL,
	UNIQUE (version, channel)
) STRICT;

CREATE TABLE deltas (
	version TEXT NOT NULL REFERENCES versions,
	base    TEXT NOT NULL, -- content that it begins from
	blob    TEXT NOT NULL,
	size    INTEGER NOT NULL,
	PRIMARY KEY (version, base)
) STRICT, WITHOUT ROWID;

-- Blobs that nothing needs any more, and since when.
CREATE TABLE orphans (hash TEXT PRIMARY KEY, since INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- generation rises when there is more to do while somebody does it; token rises when
-- somebody takes the job, and makes all effects of an earlier holder void.
CREATE TABLE jobs (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	kind       TEXT NOT NULL,
	subject    TEXT NOT NULL,
	generation INTEGER NOT NULL,
	due        INTEGER NOT NULL,
	token      INTEGER NOT NULL,
	lease      INTEGER NOT NULL, -- until when it is held; 0: by nobody
	attempts   INTEGER NOT NULL,
	UNIQUE (kind, subject)
) STRICT;

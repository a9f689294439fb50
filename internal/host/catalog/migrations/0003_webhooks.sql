CREATE TABLE webhooks (
	id      TEXT PRIMARY KEY,
	app     INTEGER NOT NULL REFERENCES apps,
	name    TEXT NOT NULL,
	url     TEXT NOT NULL,
	secret  TEXT NOT NULL, -- signs what is sent; it is never shown again
	types   TEXT NOT NULL, -- of events, a JSON list
	enabled INTEGER NOT NULL,
	created INTEGER NOT NULL
) STRICT;
CREATE INDEX webhooks_app ON webhooks (app);

-- What happened, while some webhook has to tell of it. Empty old and new: a ping.
CREATE TABLE events (
	id       TEXT PRIMARY KEY,
	type     TEXT NOT NULL,
	instance TEXT NOT NULL, -- the version or release that changed
	pack     TEXT NOT NULL, -- its pack's identifier, and its version's number
	number   INTEGER NOT NULL,
	old      TEXT NOT NULL,
	new      TEXT NOT NULL,
	created  INTEGER NOT NULL
) STRICT;

CREATE TABLE deliveries (
	id         TEXT PRIMARY KEY,
	webhook    TEXT NOT NULL REFERENCES webhooks,
	event      TEXT NOT NULL REFERENCES events,
	state      TEXT NOT NULL,
	redelivery INTEGER NOT NULL,
	attempts   INTEGER NOT NULL,
	created    INTEGER NOT NULL,
	sent       INTEGER NOT NULL, -- the last attempt; 0: none yet
	next       INTEGER NOT NULL, -- the next one; 0: none is planned
	status     INTEGER NOT NULL, -- that the receiver answered; 0: none
	error      TEXT NOT NULL
) STRICT;
CREATE INDEX deliveries_webhook ON deliveries (webhook);

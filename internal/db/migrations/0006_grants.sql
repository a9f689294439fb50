-- What a transfer may have received, before the first launch, beyond what is on record of it.
CREATE TABLE grants (
    id        TEXT PRIMARY KEY,         -- of the download
    app       TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    essential INTEGER NOT NULL,         -- which allowance it draws from
    bytes     INTEGER NOT NULL,
    base      INTEGER NOT NULL          -- length of the partial file at that moment
) STRICT;
CREATE INDEX grants_of ON grants (app);

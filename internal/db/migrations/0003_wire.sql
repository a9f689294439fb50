ALTER TABLE downloads ADD COLUMN wire INTEGER NOT NULL DEFAULT 0;  -- body bytes received in all, before the first launch
-- The allowances count what came over the wire; what was only asked for counts by the rows.
UPDATE apps SET spent = 0, spent_essential = 0;
UPDATE apps SET spent = (SELECT coalesce(sum(bytes), 0) FROM downloads WHERE app = apps.id AND NOT essential),
    spent_essential = (SELECT coalesce(sum(bytes), 0) FROM downloads WHERE app = apps.id AND essential);
UPDATE downloads SET wire = bytes;

-- Sub-ports come back in the order in which they were given.
ALTER TABLE trunk_subport ADD COLUMN position BIGINT NOT NULL DEFAULT 0;
UPDATE trunk_subport SET position = segment;

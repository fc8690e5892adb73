-- Ids of deleted images. They never name another one: whoever boots by an id
-- that was once somebody's must not get what a stranger put there.
CREATE TABLE image_deleted (
	id TEXT PRIMARY KEY
);

-- How often a user's secrets of a factor were guessed at from a source ("" is
-- all) since a window began, and until when the source counts as the user's own.
CREATE TABLE identity_guess (
	subject TEXT NOT NULL,
	factor TEXT NOT NULL,
	source TEXT NOT NULL,
	count BIGINT NOT NULL,
	since BIGINT NOT NULL,
	known_until BIGINT NOT NULL,
	PRIMARY KEY (subject, factor, source)
);
CREATE INDEX identity_guess_since ON identity_guess (since);

-- Logins of browsers, each known by the digest of the secret that its browser holds.
CREATE TABLE identity_browser_session (
	id TEXT PRIMARY KEY,
	user_id TEXT NOT NULL,
	audit_id TEXT NOT NULL,
	methods TEXT NOT NULL,
	idp_id TEXT NOT NULL,
	protocol_id TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	seen_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);
CREATE INDEX identity_browser_session_user ON identity_browser_session (user_id);
CREATE INDEX identity_browser_session_expires ON identity_browser_session (expires_at);
CREATE INDEX identity_browser_session_seen ON identity_browser_session (seen_at);

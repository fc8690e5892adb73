-- What opens a guest's console, for a while. The token itself is kept nowhere.
CREATE TABLE compute_console (
    token_hash TEXT PRIMARY KEY,
    server_id  TEXT NOT NULL,
    kind       TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX compute_console_server ON compute_console (server_id);
CREATE INDEX compute_console_expiry ON compute_console (expires_at);

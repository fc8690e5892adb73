-- What the migrations of audit make; UPDATE_GOLDEN=1 go test ./test/schema writes it.

CREATE TABLE audit_event (
    id             TEXT   NOT NULL PRIMARY KEY,
    at             BIGINT NOT NULL,
    service        TEXT   NOT NULL,
    action         TEXT   NOT NULL,
    outcome        TEXT   NOT NULL,
    initiator_id   TEXT   NOT NULL,
    initiator_name TEXT   NOT NULL,
    project_id     TEXT   NOT NULL,
    target_id      TEXT   NOT NULL,
    request_id     TEXT   NOT NULL,
    event          TEXT   NOT NULL
);

CREATE INDEX audit_event_at ON audit_event (at);

CREATE INDEX audit_event_initiator ON audit_event (initiator_id, at);

CREATE INDEX audit_event_outcome ON audit_event (outcome, at);

CREATE INDEX audit_event_target ON audit_event (target_id, at);

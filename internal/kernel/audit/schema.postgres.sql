-- What the migrations of audit make; UPDATE_GOLDEN=1 go test ./test/schema writes it.

CREATE TABLE audit_event (
    id text NOT NULL,
    at bigint NOT NULL,
    service text NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL,
    initiator_id text NOT NULL,
    initiator_name text NOT NULL,
    project_id text NOT NULL,
    target_id text NOT NULL,
    request_id text NOT NULL,
    event text NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX audit_event_at ON audit_event USING btree (at);

CREATE INDEX audit_event_initiator ON audit_event USING btree (initiator_id, at);

CREATE INDEX audit_event_outcome ON audit_event USING btree (outcome, at);

CREATE INDEX audit_event_target ON audit_event USING btree (target_id, at);

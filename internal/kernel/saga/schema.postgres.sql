-- What the migrations of saga make; UPDATE_GOLDEN=1 go test ./test/schema writes it.

CREATE TABLE saga (
    id text NOT NULL,
    kind text NOT NULL,
    version bigint NOT NULL,
    resource text NOT NULL,
    state text NOT NULL,
    step text NOT NULL,
    error text NOT NULL,
    actor text NOT NULL,
    cancel_requested boolean NOT NULL,
    owner text NOT NULL,
    term bigint NOT NULL,
    lease_until bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    finished_at bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE UNIQUE INDEX saga_active_resource ON saga USING btree (resource) WHERE (state = ANY (ARRAY['running'::text, 'unwinding'::text]));

CREATE INDEX saga_finished ON saga USING btree (finished_at) WHERE (finished_at > 0);

CREATE INDEX saga_lease ON saga USING btree (lease_until) WHERE (state = ANY (ARRAY['running'::text, 'unwinding'::text]));

CREATE INDEX saga_resource ON saga USING btree (resource, created_at);

CREATE TABLE saga_event (
    saga text NOT NULL,
    seq bigint NOT NULL,
    term bigint NOT NULL,
    at bigint NOT NULL,
    event text NOT NULL,
    step text NOT NULL,
    target text NOT NULL,
    data text NOT NULL,
    error text NOT NULL,
    PRIMARY KEY (saga, seq)
);

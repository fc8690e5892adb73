-- What the migrations of saga make; UPDATE_GOLDEN=1 go test ./test/schema writes it.

CREATE TABLE saga (
    id               TEXT PRIMARY KEY,
    kind             TEXT NOT NULL,
    version          BIGINT NOT NULL,
    resource         TEXT NOT NULL,
    state            TEXT NOT NULL,
    step             TEXT NOT NULL,
    error            TEXT NOT NULL,
    actor            TEXT NOT NULL,
    cancel_requested BOOLEAN NOT NULL,
    owner            TEXT NOT NULL,
    term             BIGINT NOT NULL,
    lease_until      BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL,
    finished_at      BIGINT NOT NULL
);

CREATE UNIQUE INDEX saga_active_resource ON saga (resource) WHERE state IN ('running', 'unwinding');

CREATE INDEX saga_finished ON saga (finished_at) WHERE finished_at > 0;

CREATE INDEX saga_lease ON saga (lease_until) WHERE state IN ('running', 'unwinding');

CREATE INDEX saga_resource ON saga (resource, created_at);

CREATE TABLE saga_event (
    saga   TEXT NOT NULL,
    seq    BIGINT NOT NULL,
    term   BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    event  TEXT NOT NULL,
    step   TEXT NOT NULL,
    target TEXT NOT NULL,
    data   TEXT NOT NULL,
    error  TEXT NOT NULL,
    PRIMARY KEY (saga, seq)
);

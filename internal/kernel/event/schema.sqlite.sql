-- What the migrations of event make; UPDATE_GOLDEN=1 go test ./test/schema writes it.

CREATE TABLE event_cursor (
    name           TEXT   NOT NULL,
    host           TEXT   NOT NULL,
    transaction_id BIGINT NOT NULL,
    number         BIGINT NOT NULL,
    seen_at        BIGINT NOT NULL,
    PRIMARY KEY (name, host)
);

CREATE TABLE event_log (
    number         INTEGER PRIMARY KEY,
    transaction_id BIGINT NOT NULL DEFAULT 0,
    time           BIGINT NOT NULL,
    type           TEXT   NOT NULL,
    notification   TEXT   NOT NULL,
    resource       TEXT   NOT NULL,
    project        TEXT   NOT NULL,
    user_id        TEXT   NOT NULL,
    request        TEXT   NOT NULL,
    state          TEXT   NOT NULL
);

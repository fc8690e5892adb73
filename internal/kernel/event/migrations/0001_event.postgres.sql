-- What changed. Numbers overtake commits here; a transaction's id tells which came first.
CREATE TABLE event_log (
    number         BIGINT GENERATED ALWAYS AS IDENTITY,
    transaction_id BIGINT NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    time           BIGINT NOT NULL,
    type           TEXT   NOT NULL,
    notification   TEXT   NOT NULL,
    resource       TEXT   NOT NULL,
    project        TEXT   NOT NULL,
    user_id        TEXT   NOT NULL,
    request        TEXT   NOT NULL,
    state          TEXT   NOT NULL,
    PRIMARY KEY (transaction_id, number)
);

-- How far each subscriber of each process has come; of nobody: what is deleted.
CREATE TABLE event_cursor (
    name           TEXT   NOT NULL,
    host           TEXT   NOT NULL,
    transaction_id BIGINT NOT NULL,
    number         BIGINT NOT NULL,
    seen_at        BIGINT NOT NULL,
    PRIMARY KEY (name, host)
);

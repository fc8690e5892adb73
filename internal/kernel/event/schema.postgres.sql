-- What the migrations of event make; UPDATE_GOLDEN=1 go test ./test/schema writes it.

CREATE TABLE event_cursor (
    name text NOT NULL,
    host text NOT NULL,
    transaction_id bigint NOT NULL,
    number bigint NOT NULL,
    seen_at bigint NOT NULL,
    PRIMARY KEY (name, host)
);

CREATE TABLE event_log (
    number bigint NOT NULL GENERATED AS IDENTITY,
    transaction_id bigint NOT NULL DEFAULT ((pg_current_xact_id())::text)::bigint,
    time bigint NOT NULL,
    type text NOT NULL,
    notification text NOT NULL,
    resource text NOT NULL,
    project text NOT NULL,
    user_id text NOT NULL,
    request text NOT NULL,
    state text NOT NULL,
    PRIMARY KEY (transaction_id, number)
);

-- The volumes among servers' block devices; disks on the host are in the server's row.
CREATE TABLE compute_block_device (
    id                    TEXT PRIMARY KEY,
    server_id             TEXT NOT NULL,
    number                BIGINT NOT NULL,
    volume_id             TEXT NOT NULL,
    attachment_id         TEXT NOT NULL,
    source                TEXT NOT NULL,
    source_id             TEXT NOT NULL,
    size                  BIGINT NOT NULL,
    volume_type           TEXT NOT NULL,
    boot_index            BIGINT NOT NULL,
    name                  TEXT NOT NULL,
    bus                   TEXT NOT NULL,
    device_type           TEXT NOT NULL,
    tag                   TEXT NOT NULL,
    delete_on_termination BOOLEAN NOT NULL,
    multiattach           BOOLEAN NOT NULL,
    state                 TEXT NOT NULL,
    created_at            BIGINT NOT NULL
);
CREATE UNIQUE INDEX compute_block_device_volume ON compute_block_device (server_id, volume_id);
CREATE INDEX compute_block_device_of ON compute_block_device (volume_id);

ALTER TABLE port ADD COLUMN attached BIGINT NOT NULL DEFAULT 0;
-- Lists of servers read addresses and groups of thousands of ports from these alone.
CREATE INDEX port_server ON port (device_id, device_owner, attached, id, network_id, mac);
CREATE INDEX ip_allocation_of ON ip_allocation (port_id, ip);
DROP INDEX ip_allocation_port;
DROP INDEX port_device;

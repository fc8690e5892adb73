-- A network's metadata port is looked up for every card of every server; the
-- network may have thousands of other ports.
CREATE INDEX port_network_owner ON port (network_id, device_owner);

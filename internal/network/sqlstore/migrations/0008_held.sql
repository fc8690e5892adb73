-- What a port is attached to, written by who attaches it. Users write device_id
-- and device_owner, so that those of old rows count only where more speaks for them.
ALTER TABLE port ADD COLUMN held_as TEXT NOT NULL DEFAULT '';
ALTER TABLE port ADD COLUMN held_by TEXT NOT NULL DEFAULT '';
UPDATE port SET held_as = 'compute', held_by = device_id
    WHERE device_owner LIKE 'compute:%' AND length(device_id) = 36 AND replace(replace(device_id, '"', ''), '\', '') = device_id
    AND (attached > 0 OR replace(doc, '"MadeFor":"' || device_id || '"', '') <> doc);
UPDATE port SET held_as = device_owner, held_by = device_id
    WHERE device_owner = 'network:router_interface'
    AND EXISTS (SELECT 1 FROM router r WHERE r.id = port.device_id AND r.project_id = port.project_id);
UPDATE port SET held_as = device_owner, held_by = device_id
    WHERE device_owner = 'network:router_gateway' AND project_id = ''
    AND EXISTS (SELECT 1 FROM router r WHERE r.id = port.device_id);
UPDATE port SET held_as = device_owner, held_by = device_id
    WHERE device_owner = 'network:floatingip' AND EXISTS (SELECT 1 FROM floatingip f WHERE f.outside_port = port.id AND f.id = port.device_id);
UPDATE port SET held_as = device_owner, held_by = device_id
    WHERE device_owner = 'network:distributed' AND device_id = 'ovnmeta-' || network_id;
UPDATE port SET doc = '{"HeldAs":"' || held_as || '","HeldBy":"' || held_by || '",' || substr(doc, 2) WHERE held_as <> '';

DROP INDEX port_server;
CREATE INDEX port_server ON port (held_by, held_as, attached, id, network_id, mac);
DROP INDEX port_network_owner;
CREATE INDEX port_network_owner ON port (network_id, held_as);
CREATE INDEX port_device ON port (device_id);

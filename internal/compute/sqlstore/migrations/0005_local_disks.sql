-- The blank disks that a server was ordered with; without any it has those of its flavor.
ALTER TABLE compute_server ADD COLUMN local_disks TEXT NOT NULL DEFAULT '{}';

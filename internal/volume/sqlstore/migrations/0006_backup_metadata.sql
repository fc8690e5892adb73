-- A backup keeps its volume's metadata.
ALTER TABLE volume_backup ADD COLUMN volume_metadata TEXT NOT NULL DEFAULT '{}';

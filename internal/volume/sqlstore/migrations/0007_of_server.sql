-- An attachment says whether compute made it. Of those that are there, each that names a server counts as such.
ALTER TABLE volume_attachment ADD COLUMN of_server BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE volume_attachment SET of_server = TRUE WHERE instance_id <> '';

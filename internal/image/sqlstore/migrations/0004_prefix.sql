-- A table is named for its service.
ALTER TABLE metadef_namespace RENAME TO image_metadef_namespace;
ALTER TABLE metadef_item RENAME TO image_metadef_item;
ALTER TABLE metadef_resource_type RENAME TO image_metadef_resource_type;
ALTER TABLE metadef_association RENAME TO image_metadef_association;
-- Which version of a catalogue that comes with the program was put in.
CREATE TABLE image_metadef_seed (
	catalogue TEXT PRIMARY KEY,
	version BIGINT NOT NULL
);
INSERT INTO image_metadef_seed (catalogue, version)
	SELECT 'standard', version FROM metadef_standard ORDER BY version DESC LIMIT 1;
DROP TABLE metadef_standard;

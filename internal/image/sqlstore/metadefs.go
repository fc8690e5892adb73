package sqlstore

import (
	"kumoi/internal/image/metadef"
	"kumoi/internal/kernel/store"
)

// metadefs are the tables of the metadata definitions.
func metadefs() metadef.Tables {
	return metadef.Tables{
		Namespaces: store.NewTable("image_metadef_namespace", func(v *metadef.Namespace, c *store.Columns) {
			c.Key("id", &v.ID)
			c.Text("name", &v.Name)
			c.Text("display_name", &v.DisplayName)
			c.Text("description", &v.Description)
			c.Text("visibility", &v.Visibility)
			c.Bool("protected", &v.Protected)
			c.Text("owner", &v.Owner)
			c.Time("created_at", &v.CreatedAt)
			c.Time("updated_at", &v.UpdatedAt)
		}).Set("resource_type", store.SQL(`EXISTS (SELECT 1 FROM image_metadef_association a
			WHERE a.namespace_id = image_metadef_namespace.id AND a.resource_type = ?)`)),
		Items: store.NewTable("image_metadef_item", func(v *metadef.Item, c *store.Columns) {
			c.Key("namespace_id", &v.NamespaceID)
			c.Key("kind", &v.Kind)
			c.Key("name", &v.Name)
			c.JSON("body", &v.Body)
			c.Time("created_at", &v.CreatedAt)
			c.Time("updated_at", &v.UpdatedAt)
		}),
		ResourceTypes: store.NewTable("image_metadef_resource_type", func(v *metadef.ResourceType, c *store.Columns) {
			c.Key("name", &v.Name)
			c.Time("created_at", &v.CreatedAt)
			c.Time("updated_at", &v.UpdatedAt)
		}),
		Associations: store.NewTable("image_metadef_association", func(v *metadef.Association, c *store.Columns) {
			c.Key("namespace_id", &v.NamespaceID)
			c.Key("resource_type", &v.ResourceType)
			c.Text("prefix", &v.Prefix)
			c.Text("properties_target", &v.PropertiesTarget)
			c.Time("created_at", &v.CreatedAt)
			c.Time("updated_at", &v.UpdatedAt)
		}),
		Seeds: store.NewTable("image_metadef_seed", func(v *metadef.SeedRow, c *store.Columns) {
			c.Key("catalogue", &v.Catalogue)
			c.Int64("version", &v.Version)
		}),
	}
}

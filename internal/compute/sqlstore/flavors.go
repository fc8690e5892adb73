package sqlstore

import (
	"kumoi/internal/compute/flavor"
	"kumoi/internal/kernel/store"
)

func flavors() *store.Table[flavor.Flavor] {
	return store.NewTable("compute_flavor", func(f *flavor.Flavor, c *store.Columns) {
		c.Key("id", &f.ID)
		c.Text("name", &f.Name)
		c.NullText("description", &f.Description)
		c.Int("vcpus", &f.VCPUs)
		c.Int("ram", &f.RAM)
		c.Int("disk", &f.Disk)
		c.Int("ephemeral", &f.Ephemeral)
		c.Int("swap", &f.Swap)
		c.Float("rxtx", &f.RxTx)
		c.Bool("is_public", &f.Public)
		c.Bool("disabled", &f.Disabled)
		c.JSON("extra_specs", &f.ExtraSpecs)
		c.Time("created_at", &f.CreatedAt)
		c.Time("updated_at", &f.UpdatedAt)
	}).Condition("usable", store.SQL("is_public OR EXISTS (SELECT 1 FROM compute_flavor_access a WHERE a.flavor_id = compute_flavor.id AND a.project_id = ?)"))
}

func flavorAccess() *store.Table[flavor.Access] {
	return store.NewTable("compute_flavor_access", func(a *flavor.Access, c *store.Columns) {
		c.Key("flavor_id", &a.FlavorID)
		c.Key("project_id", &a.ProjectID)
	})
}

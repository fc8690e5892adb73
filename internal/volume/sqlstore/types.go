package sqlstore

import (
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume/qos"
	"kumoi/internal/volume/voltype"
)

func types() voltype.Tables {
	return voltype.Tables{
		Types: store.NewTable("volume_type", func(t *voltype.Type, c *store.Columns) {
			c.Key("id", &t.ID)
			c.Text("name", &t.Name)
			c.NullText("description", &t.Description)
			c.Bool("is_public", &t.Public)
			c.JSON("extra_specs", &t.ExtraSpecs)
			c.NullText("qos_specs_id", &t.QoSSpecsID)
			c.Time("created_at", &t.CreatedAt)
			c.Time("updated_at", &t.UpdatedAt)
		}).
			Condition("usable", store.SQL("volume_type.is_public OR EXISTS (SELECT 1 FROM volume_type_access a WHERE a.type_id = volume_type.id AND a.project_id = ?)")).
			Condition("spec", hasPair("volume_type", "extra_specs")).
			Condition("spec_part", store.Expr{ // a list of words, one of which is looked for
				SQLite:   "EXISTS (SELECT 1 FROM json_each(volume_type.extra_specs) e WHERE e.key = ? AND instr(e.value, ?) > 0)",
				Postgres: "strpos(volume_type.extra_specs::jsonb ->> CAST(? AS text), ?) > 0",
			}),
		Access: store.NewTable("volume_type_access", func(a *voltype.Access, c *store.Columns) {
			c.Key("type_id", &a.TypeID)
			c.Key("project_id", &a.ProjectID)
		}),
		Encryptions: store.NewTable("volume_type_encryption", func(e *voltype.Encryption, c *store.Columns) {
			c.Key("type_id", &e.TypeID)
			c.Text("id", &e.ID)
			c.Text("provider", &e.Provider)
			c.NullText("cipher", &e.Cipher)
			c.NullInt("key_size", &e.KeySize)
			c.Text("control_location", &e.ControlLocation)
			c.Time("created_at", &e.CreatedAt)
			c.Time("updated_at", &e.UpdatedAt)
		}),
		Defaults: store.NewTable("volume_type_default", func(d *voltype.Default, c *store.Columns) {
			c.Key("project_id", &d.ProjectID)
			c.Text("type_id", &d.TypeID)
		}),
	}
}

func qosSpecs() *store.Table[qos.Spec] {
	return store.NewTable("volume_qos_spec", func(s *qos.Spec, c *store.Columns) {
		c.Key("id", &s.ID)
		c.Text("name", &s.Name)
		c.Text("consumer", &s.Consumer)
		c.JSON("specs", &s.Specs)
		c.Time("created_at", &s.CreatedAt)
		c.Time("updated_at", &s.UpdatedAt)
	})
}

package sqlstore

import (
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume/group"
	"kumoi/internal/volume/message"
)

func groups() group.Tables {
	return group.Tables{
		Groups: store.NewTable("volume_group", func(g *group.Group, c *store.Columns) {
			c.Key("id", &g.ID)
			c.Text("project_id", &g.ProjectID)
			c.Text("user_id", &g.UserID)
			c.NullText("name", &g.Name)
			c.NullText("description", &g.Description)
			c.Text("status", &g.Status)
			c.Bool("waits", &g.Waits)
			c.Text("availability_zone", &g.Zone)
			c.Text("host", &g.Host)
			c.Text("group_type", &g.TypeID)
			c.JSON("volume_types", &g.VolumeTypes)
			c.Text("group_snapshot_id", &g.SnapshotID)
			c.Text("source_group_id", &g.SourceID)
			c.Text("replication_status", &g.Replication)
			c.Time("created_at", &g.CreatedAt)
			c.Time("updated_at", &g.UpdatedAt)
		}).Condition("takes", store.Expr{ // volumes of a type
			SQLite:   "EXISTS (SELECT 1 FROM json_each(volume_group.volume_types) e WHERE e.value = ?)",
			Postgres: "jsonb_exists(volume_group.volume_types::jsonb, ?)",
		}),
		Snapshots: store.NewTable("volume_group_snapshot", func(v *group.Snapshot, c *store.Columns) {
			c.Key("id", &v.ID)
			c.Text("project_id", &v.ProjectID)
			c.Text("user_id", &v.UserID)
			c.NullText("name", &v.Name)
			c.NullText("description", &v.Description)
			c.Text("status", &v.Status)
			c.Bool("waits", &v.Waits)
			c.Text("group_id", &v.GroupID)
			c.Text("group_type_id", &v.TypeID)
			c.Time("created_at", &v.CreatedAt)
			c.Time("updated_at", &v.UpdatedAt)
		}),
		Types: store.NewTable("volume_group_type", func(t *group.Type, c *store.Columns) {
			c.Key("id", &t.ID)
			c.Text("name", &t.Name)
			c.NullText("description", &t.Description)
			c.Bool("is_public", &t.Public)
			c.JSON("group_specs", &t.Specs)
			c.Time("created_at", &t.CreatedAt)
			c.Time("updated_at", &t.UpdatedAt)
		}),
	}
}

func messages() *store.Table[message.Message] {
	return store.NewTable("volume_message", func(m *message.Message, c *store.Columns) {
		c.Key("id", &m.ID)
		c.Text("project_id", &m.ProjectID)
		c.Text("request_id", &m.RequestID)
		c.Text("resource_type", &m.ResourceType)
		c.Text("resource_uuid", &m.ResourceID)
		c.Text("event_id", &m.Event)
		c.Text("action_id", &m.Action)
		c.Text("detail_id", &m.Detail)
		c.Text("message_level", &m.Level)
		c.Time("created_at", &m.CreatedAt)
		c.Time("expires_at", &m.ExpiresAt)
	})
}

package sqlstore

import (
	"kumoi/internal/compute"
	"kumoi/internal/kernel/store"
)

// actions are found by the request that they came with.
func actions() *store.Table[compute.Action] {
	return store.NewTable("compute_action", func(a *compute.Action, c *store.Columns) {
		c.Int64("id", &a.ID)
		c.Key("server_id", &a.ServerID)
		c.Key("request_id", &a.RequestID)
		c.Text("action", &a.Action)
		c.Text("user_id", &a.UserID)
		c.Text("project_id", &a.ProjectID)
		c.Text("message", &a.Message)
		c.Time("started_at", &a.StartedAt)
		c.Time("ended_at", &a.EndedAt)
		c.Time("updated_at", &a.UpdatedAt)
	})
}

func events() *store.Table[compute.Event] {
	return store.NewTable("compute_action_event", func(e *compute.Event, c *store.Columns) {
		c.Int64("action_id", &e.ActionID)
		c.Key("name", &e.Name)
		c.Text("host", &e.Host)
		c.Text("result", &e.Result)
		c.Text("details", &e.Details)
		c.Text("traceback", &e.Traceback)
		c.Time("started_at", &e.StartedAt)
		c.Time("ended_at", &e.EndedAt)
	})
}

// migrations are moves of servers; clients page through them by UUID.
func migrations() *store.Table[compute.Migration] {
	return store.NewTable("compute_migration", func(m *compute.Migration, c *store.Columns) {
		c.Int64("id", &m.ID)
		c.Key("uuid", &m.UUID)
		c.Text("server_id", &m.ServerID)
		c.Text("project_id", &m.ProjectID)
		c.Text("user_id", &m.UserID)
		c.Text("type", &m.Type)
		c.Text("status", &m.Status)
		c.Text("source_host", &m.SourceHost)
		c.Text("dest_host", &m.DestHost)
		c.JSON("old_flavor", &m.OldFlavor)
		c.JSON("new_flavor", &m.NewFlavor)
		c.Time("created_at", &m.CreatedAt)
		c.Time("updated_at", &m.UpdatedAt)
	})
}

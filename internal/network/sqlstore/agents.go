package sqlstore

import (
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

func agents() *store.Table[network.Agent] {
	return store.NewTable("network_agent", func(a *network.Agent, c *store.Columns) {
		c.Key("id", &a.ID)
		c.Text("host", &a.Host)
		c.Text("agent_type", &a.Type)
		c.Text("program", &a.Binary)
		c.Text("zone", &a.AZ)
		c.Text("topic", &a.Topic)
		c.Text("description", &a.Description)
		c.Bool("admin_state_up", &a.AdminStateUp)
		c.JSON("configurations", &a.Configurations)
		c.Time("created_at", &a.CreatedAt)
		c.Time("started_at", &a.StartedAt)
		c.Time("heartbeat_at", &a.HeartbeatAt)
	})
}

package sqlstore

import (
	"kumoi/internal/compute"
	"kumoi/internal/kernel/store"
)

func consoles() *store.Table[compute.Console] {
	return store.NewTable("compute_console", func(v *compute.Console, c *store.Columns) {
		c.Key("token_hash", &v.TokenHash)
		c.Text("server_id", &v.ServerID)
		c.Text("kind", (*string)(&v.Kind))
		c.Time("expires_at", &v.ExpiresAt)
	})
}

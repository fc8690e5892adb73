package sqlstore

import (
	"kumoi/internal/compute/keypair"
	"kumoi/internal/kernel/store"
)

func keypairs() *store.Table[keypair.Keypair] {
	return store.NewTable("compute_keypair", func(k *keypair.Keypair, c *store.Columns) {
		c.Int64("id", &k.ID)
		c.Key("user_id", &k.UserID)
		c.Key("name", &k.Name)
		c.Text("type", &k.Type)
		c.Text("public_key", &k.PublicKey)
		c.Text("fingerprint", &k.Fingerprint)
		c.Time("created_at", &k.CreatedAt)
	})
}

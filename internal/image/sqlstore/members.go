package sqlstore

import (
	"kumoi/internal/image"
	"kumoi/internal/kernel/store"
)

func members() *store.Table[image.Member] {
	return store.NewTable("image_member", func(m *image.Member, c *store.Columns) {
		c.Key("image_id", &m.ImageID)
		c.Key("member_id", &m.MemberID)
		c.Text("status", &m.Status)
		c.Time("created_at", &m.CreatedAt)
		c.Time("updated_at", &m.UpdatedAt)
	})
}

package sqlstore

import (
	"kumoi/internal/identity/browser"
	"kumoi/internal/kernel/store"
)

func browserSessions() *store.Table[browser.Session] {
	return worded("browser session", store.NewTable("identity_browser_session", func(v *browser.Session, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("user_id", &v.UserID)
		c.Text("audit_id", &v.AuditID)
		c.JSON("methods", &v.Methods)
		c.Text("idp_id", &v.IdPID)
		c.Text("protocol_id", &v.ProtocolID)
		c.Time("created_at", &v.CreatedAt)
		c.Time("seen_at", &v.SeenAt)
		c.Time("expires_at", &v.ExpiresAt)
	}), nil)
}

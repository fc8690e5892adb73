package sqlstore

import (
	"embed"

	"kumoi/internal/kernel/store"
)

//go:embed migrations
var migrations embed.FS

// Migrations is identity's schema.
func Migrations() store.Migrations { return store.Migrations{Service: "identity", FS: migrations} }

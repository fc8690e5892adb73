package sqlstore

import (
	"embed"

	"kumoi/internal/kernel/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is the schema's history.
func Migrations() store.Migrations { return store.Migrations{Service: "network", FS: files} }

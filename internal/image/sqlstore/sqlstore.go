// Package sqlstore keeps the image service's records in SQL.
package sqlstore

import (
	"embed"

	"kumoi/internal/image"
	"kumoi/internal/kernel/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations returns the service's schema history.
func Migrations() store.Migrations { return store.Migrations{Service: "image", FS: files} }

// Tables are where the service keeps what it knows.
func Tables() image.Tables {
	t := image.Tables{
		Deleted: deleted(), Members: members(), Properties: properties(), Tags: tags(), Locations: locations(),
		Uploads: uploads(), Garbage: garbage(), Tasks: tasks(), Cache: cache(), Usage: usage,
		Metadef: metadefs(),
	}
	t.Images = images(t)
	return t
}

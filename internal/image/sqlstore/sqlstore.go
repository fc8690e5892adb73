// Package sqlstore keeps the image service's records in SQL.
package sqlstore

import (
	"embed"
	"strings"

	"kumoi/internal/image"
	"kumoi/internal/kernel/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations returns the service's schema history.
func Migrations() store.Migrations { return store.Migrations{Service: "image", FS: files} }

// Store implements image.Store. The zero value is ready.
type Store struct {
	Metadefs // the metadata definitions
}

var _ image.Store = Store{}

// Tables are the families that need no more than a table.
func Tables() image.Tables { return image.Tables{Members: members()} }

// New returns the store.
func New() Store { return Store{} }

// marks returns n placeholders: "?, ?, ?".
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

func anys[T any](values []T) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

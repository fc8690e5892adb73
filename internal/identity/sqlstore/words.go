package sqlstore

import (
	"fmt"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// worded gives a table Keystone's words: noun is what its rows are called, and
// taken says what there is already when a unique index refuses one.
func worded[T any](noun string, t *store.Table[T], taken func(v *T) string) *store.Table[T] {
	return t.Worded(
		func(id string) error { return errs.New(errs.NotFound, "Could not find %s: %s.", noun, id) },
		func(v *T) error {
			what := "it exists already."
			if taken != nil {
				what = taken(v)
			}
			return errs.New(errs.Exists, "Conflict occurred attempting to store %s - %s", noun, what)
		},
	)
}

func nameInDomain(name, domainID string) string {
	return fmt.Sprintf("Duplicate entry found with name %s at domain ID %s.", name, domainID)
}

// name is a column of names that compare without case.
func name(c *store.Columns, p *string) { c.Name("name", p, "name_key", family.FoldName) }

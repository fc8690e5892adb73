package identity

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/store"
)

// plainID is an id as a login may write it: people write "Default".
func plainID(id string) string {
	if strings.EqualFold(id, DefaultDomainID) {
		return DefaultDomainID
	}
	return id
}

// named is what has a name in a domain.
type named interface{ name() string }

func (p Project) name() string { return p.Name }
func (u User) name() string    { return u.Name }
func (g Group) name() string   { return g.Name }
func (r Role) name() string    { return r.Name }

// byName finds what has a name in a domain. Of before names compared without
// case there may be two; the very name goes before the other's.
func byName[T named](ctx context.Context, tx *store.Tx, t *store.Table[T], domainID, name string) (v T, err error) {
	rows, err := family.Find(ctx, tx, t, store.Eq("domain_id", domainID), store.Eq("name", name))
	if err != nil {
		return v, err
	}
	if len(rows) == 0 {
		return v, t.Absent(store.ErrNoRows, name)
	}
	return rows[max(0, slices.IndexFunc(rows, func(r T) bool { return r.name() == name }))], nil
}

// said is the value that a query wants a field to have; "" if it says none.
func said(q store.Query, field string) string {
	for _, c := range q.Where {
		if v, ok := c.Value.(string); ok && c.Field == field && c.Op == store.Equal {
			return v
		}
	}
	return ""
}

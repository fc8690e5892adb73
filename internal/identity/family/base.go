// Package family is what identity's families stand on: what each needs of
// identity as a whole, the use cases of an ordinary one, and rows as values.
package family

import (
	"context"
	"time"

	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Base is what a family needs of identity as a whole.
type Base struct {
	DB        *store.DB
	Now       func() time.Time
	ListLimit int // the most rows in a list; 0: no limit
	// Check asks the policy; every use case begins with it.
	Check func(ctx context.Context, rule string, target policy.Target) error
	// Noted writes a change into the audit trail and tells of it, in the change's
	// own transaction.
	Noted func(ctx context.Context, tx *store.Tx, kind, what, id string) error
	// Changed tells every process that what it knows about the tags is stale, Revoke
	// that the tokens of the tags that were issued until now are void.
	Changed func(ctx context.Context, tx *store.Tx, tags ...string) error
	Revoke  func(ctx context.Context, tx *store.Tx, tags ...string) error
}

// CatalogTag is stale when what tokens tell of the catalogue has changed.
const CatalogTag = "catalog"

// What changes are called in the audit trail, before the kind of resource:
// "created.user", as Keystone's notifications are.
const (
	Created = "created"
	Updated = "updated"
	Deleted = "deleted"
)

// Made is Noted for what the request itself makes.
func (b Base) Made(ctx context.Context, tx *store.Tx, kind, id string) error {
	audit.Created(ctx, id)
	return b.Noted(ctx, tx, kind, Created, id)
}

// Capped adds the cloud's own limit of lists to a query.
func (b Base) Capped(q store.Query) store.Query {
	q.Cap = b.ListLimit
	return q
}

// FreshID gives a row that names no id a new one.
func FreshID(id *string) {
	if *id == "" {
		*id = ids.NewHex()
	}
}

// AsInvalid turns the absence of what a body refers to into a wrong body.
func AsInvalid(err error, field, value string) error {
	if errs.Is(err, errs.NotFound) {
		return errs.Wrap(errs.Invalid, err, "Expecting to find valid %s: %q does not exist.", field, value)
	}
	return err
}

// Unauthorized is what every failed login answers; why goes to the log alone.
func Unauthorized(why string) error {
	return errs.Wrap(errs.Unauthenticated, errs.New(errs.Unauthenticated, "%s", why), "The request you have made requires authentication.")
}

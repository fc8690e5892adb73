package event

import (
	"context"
	"fmt"
	"strings"

	"kumoi/internal/kernel/store"
)

// Subject is what events say of a row.
type Subject struct {
	Resource, Project string
	State             any
}

// Observe publishes what becomes of the rows of a table, wherever they are
// written. name is service and resource, as in Event.Type, and notification is
// OpenStack's name with %s for create, update or delete, if it has one. A nil log observes nothing.
func Observe[T any](l *Log, db *store.DB, table, name, notification string, of func(v *T) Subject) {
	if l == nil {
		return
	}
	words := map[store.Verb]Event{}
	for _, did := range []store.Verb{store.Created, store.Changed, store.Removed} {
		words[did] = Event{Type: name + "." + string(did), Notification: strings.ReplaceAll(notification, "%s", string(did))}
	}
	db.Observe(table, func(ctx context.Context, tx *store.Tx, did store.Verb, row any) error {
		v, ok := row.(*T)
		if !ok {
			return fmt.Errorf("events of table %s: a row is a %T", table, row)
		}
		s, e := of(v), words[did]
		e.Resource, e.Project = s.Resource, s.Project
		return l.Publish(ctx, tx, e, s.State)
	})
}

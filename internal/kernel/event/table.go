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
	// Gone tells that a row that stays stands for something that is deleted.
	Gone bool
}

// Names are OpenStack's notification names of the three things that happen to
// rows; "" where it has none.
type Names struct{ Create, Update, Delete string }

// Observe publishes what becomes of the rows of a table, wherever they are
// written. name is service and resource, as in Event.Type, and notification is
// OpenStack's name with %s for create, update or delete, if it has one. A nil log observes nothing.
func Observe[T any](l *Log, db *store.DB, table, name, notification string, of func(v *T) Subject) {
	word := func(did store.Verb) string { return strings.ReplaceAll(notification, "%s", string(did)) }
	ObserveAs(l, db, table, name, Names{word(store.Created), word(store.Changed), word(store.Removed)}, of)
}

// ObserveAs is Observe where OpenStack's names differ in more than a word.
func ObserveAs[T any](l *Log, db *store.DB, table, name string, n Names, of func(v *T) Subject) {
	if l == nil {
		return
	}
	words := map[store.Verb]Event{store.Created: {Notification: n.Create}, store.Changed: {Notification: n.Update}, store.Removed: {Notification: n.Delete}}
	db.Observe(table, func(ctx context.Context, tx *store.Tx, did store.Verb, row any) error {
		v, ok := row.(*T)
		if !ok {
			return fmt.Errorf("events of table %s: a row is a %T", table, row)
		}
		s := of(v)
		if s.Gone {
			did = store.Removed
		}
		e := words[did]
		e.Type = name + "." + string(did)
		e.Resource, e.Project = s.Resource, s.Project
		return l.Publish(ctx, tx, e, s.State)
	})
}

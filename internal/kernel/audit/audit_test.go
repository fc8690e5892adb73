package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

type clock struct{ now time.Time }

func (c *clock) tick() time.Time {
	c.now = c.now.Add(time.Second)
	return c.now
}

// newTrail is a trail beside a table that changes can be made in.
func newTrail(t *testing.T, db *store.DB, cfg Config) (*Trail, *clock) {
	t.Helper()
	c := &clock{time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)}
	cfg.Host, cfg.Now = "host1", c.tick
	if err := db.Migrate(t.Context(), Migrations()); err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), "CREATE TABLE thing (id TEXT PRIMARY KEY)")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return New(db, cfg), c
}

func (t *Trail) all(tb testing.TB, f Filter) []Event {
	tb.Helper()
	list, err := t.List(context.Background(), f)
	if err != nil {
		tb.Fatal(err)
	}
	return list
}

func change(ctx context.Context, db *store.DB, id string) error {
	return db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO thing (id) VALUES (?)", id)
		return err
	})
}

var someone = &actor.Actor{
	UserID: "u1", UserName: "ann", ProjectID: "p1", RequestID: "req-1", RemoteAddr: "192.0.2.7:4711", AppCredentialID: "ac1",
}

func TestAnEventIsCADF(t *testing.T) {
	trail, _ := newTrail(t, storetest.SQLite(t), Config{})
	ctx := actor.With(t.Context(), someone)
	err := trail.db.Write(ctx, func(tx *store.Tx) error {
		return trail.Record(ctx, tx, Event{
			Action: "created.user", Observer: Resource{Name: "identity"}, Target: Resource{ID: "u2", TypeURI: "data/security/account/user"},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(trail.all(t, Filter{})[0])
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if id, _ := got["id"].(string); len(id) != 36 {
		t.Errorf("id %q", id)
	}
	delete(got, "id")
	want := map[string]any{
		"typeURI": "http://schemas.dmtf.org/cloud/audit/1.0/event", "eventType": "activity", "eventTime": "2026-01-02T03:04:06.000006+0000",
		"action": "created.user", "outcome": "success",
		"initiator": map[string]any{
			"id": "u1", "typeURI": "service/security/account/user", "name": "ann", "user_id": "u1", "username": "ann", "project_id": "p1",
			"request_id": "req-1", "host": map[string]any{"address": "192.0.2.7"},
			"credential": map[string]any{"type": "application_credential", "id": "ac1"},
		},
		"target":   map[string]any{"id": "u2", "typeURI": "data/security/account/user"},
		"observer": map[string]any{"id": "identity@host1", "typeURI": "service/security", "name": "identity"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestAnEventGoesWithItsChange(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		trail, _ := newTrail(t, db, Config{})
		begin := func() (context.Context, *Pending) {
			return trail.Begin(actor.With(t.Context(), someone), Event{Action: "create", Observer: Resource{Name: "compute"}, Target: Resource{TypeURI: "service/compute/servers"}})
		}
		broken := errors.New("no")
		for name, c := range map[string]struct {
			do     func(ctx context.Context) error
			status int
			made   string
			want   string // outcome, target and code of each event, oldest first
		}{
			"committed": {func(ctx context.Context) error {
				return db.Write(ctx, func(tx *store.Tx) error {
					Created(ctx, "s1")
					_, err := tx.Exec(ctx, "INSERT INTO thing (id) VALUES ('a')")
					return err
				})
			}, 202, "ignored", "success s1 "},
			"two transactions, one event": {func(ctx context.Context) error {
				return errors.Join(change(ctx, db, "b"), change(ctx, db, "c"))
			}, 201, "s2", "success s2 "},
			"committed, then failed": {func(ctx context.Context) error { return change(ctx, db, "d") }, 409, "", "failure unknown 409"},
			"rolled back": {func(ctx context.Context) error {
				_ = db.Write(ctx, func(tx *store.Tx) error {
					_, _ = tx.Exec(ctx, "INSERT INTO thing (id) VALUES ('e')")
					return broken
				})
				return nil
			}, 409, "", ""},
			"nothing written, done":   {func(context.Context) error { return nil }, 204, "", "success unknown "},
			"nothing written, denied": {func(context.Context) error { return nil }, 403, "", "failure unknown 403"},
			"nothing written, broken": {func(context.Context) error { return nil }, 500, "", "failure unknown 500"},
			"malformed":               {func(context.Context) error { return nil }, 400, "", ""},
			"a transaction that only looked": {func(ctx context.Context) error {
				return db.Write(ctx, func(tx *store.Tx) error {
					_, err := tx.Exec(ctx, "DELETE FROM thing WHERE id = 'nothing'")
					return err
				})
			}, 404, "", ""},
			"the service's own words": {func(ctx context.Context) error {
				return db.Write(ctx, func(tx *store.Tx) error {
					if _, err := tx.Exec(ctx, "INSERT INTO thing (id) VALUES ('f')"); err != nil {
						return err
					}
					return trail.Record(ctx, tx, Event{Action: "created.user", Observer: Resource{Name: "identity"}, Target: Resource{ID: "u9"}})
				})
			}, 201, "u9", "success u9 "},
			"the service's own words, rolled back": {func(ctx context.Context) error {
				err := db.Write(ctx, func(tx *store.Tx) error {
					if err := trail.Record(ctx, tx, Event{Action: "created.user", Observer: Resource{Name: "identity"}, Target: Resource{ID: "u9"}}); err != nil {
						return err
					}
					return broken
				})
				if !errors.Is(err, broken) {
					return fmt.Errorf("got %w", err)
				}
				return change(ctx, db, "g")
			}, 200, "", "success unknown "},
		} {
			t.Run(name, func(t *testing.T) {
				if err := db.Write(t.Context(), func(tx *store.Tx) error {
					_, err := tx.Exec(t.Context(), "DELETE FROM audit_event")
					return err
				}); err != nil {
					t.Fatal(err)
				}
				ctx, p := begin()
				if err := c.do(ctx); err != nil {
					t.Fatal(err)
				}
				if err := p.Finish(c.status, c.made); err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, e := range trail.all(t, Filter{}) {
					code := ""
					if e.Reason != nil {
						code = e.Reason.ReasonCode
					}
					got = append(got, e.Outcome+" "+e.Target.ID+" "+code)
				}
				if strings.Join(got, ", ") != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			})
		}
	})
}

func TestWhatTheBackgroundDoesIsNoRequest(t *testing.T) {
	trail, _ := newTrail(t, storetest.SQLite(t), Config{})
	ctx, p := trail.Begin(actor.With(t.Context(), someone), Event{Action: "create", Observer: Resource{Name: "image"}})
	if err := p.Finish(400, ""); err != nil {
		t.Fatal(err)
	}
	if err := change(ctx, trail.db, "later"); err != nil {
		t.Fatal(err)
	}
	if list := trail.all(t, Filter{}); len(list) != 0 {
		t.Errorf("%d events of a request that changed nothing", len(list))
	}
}

func TestFilters(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		trail, _ := newTrail(t, db, Config{})
		for i, e := range []Event{
			{Action: "created.user", Observer: Resource{Name: "identity"}, Target: Resource{ID: "t1"}},
			{Action: "created_user", Observer: Resource{Name: "identity"}, Target: Resource{ID: "t2"}},
			{Action: "delete", Outcome: Failure, Observer: Resource{Name: "compute"}, Target: Resource{ID: "t1"}},
		} {
			a := &actor.Actor{UserID: fmt.Sprint("u", i), UserName: fmt.Sprint("name", i), ProjectID: fmt.Sprint("p", i), RequestID: fmt.Sprint("req-", i)}
			if err := trail.RecordAlone(actor.With(t.Context(), a), e); err != nil {
				t.Fatal(err)
			}
		}
		second := time.Date(2026, 1, 2, 3, 4, 7, 6000, time.UTC)
		for _, c := range []struct {
			f    Filter
			want string
		}{
			{Filter{}, "u2 u1 u0"},
			{Filter{Limit: 2}, "u2 u1"},
			{Filter{Since: second}, "u2 u1"},
			{Filter{Until: second}, "u0"},
			{Filter{Service: "compute"}, "u2"},
			{Filter{Action: "created."}, "u0"},
			{Filter{Action: "created_"}, "u1"},
			{Filter{Action: "%"}, ""},
			{Filter{Outcome: Failure}, "u2"},
			{Filter{Initiator: "u1"}, "u1"},
			{Filter{Initiator: "name1", Service: "identity"}, "u1"},
			{Filter{Initiator: "u2", Service: "identity"}, ""},
			{Filter{Project: "p0"}, "u0"},
			{Filter{Target: "t1"}, "u2 u0"},
			{Filter{Request: "req-1"}, "u1"},
		} {
			var got []string
			for _, e := range trail.all(t, c.f) {
				got = append(got, e.Initiator.ID)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%+v: got %v, want %s", c.f, got, c.want)
			}
		}
		one := trail.all(t, Filter{Limit: 1})[0]
		if e, err := trail.Get(t.Context(), one.ID); err != nil || e.ID != one.ID {
			t.Errorf("Get: %v %v", e, err)
		}
		if _, err := trail.Get(t.Context(), "nothing"); err == nil {
			t.Error("an event that is not there was found")
		}
	})
}

func TestTheTrailIsBounded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		trail, c := newTrail(t, db, Config{Keep: time.Hour, Most: 3})
		record := func(outcome string, n int) {
			for range n {
				if err := trail.RecordAlone(t.Context(), Event{Action: "a", Outcome: outcome, Observer: Resource{Name: "identity"}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		counts := func(success, failure int) {
			t.Helper()
			if _, err := trail.Prune(t.Context()); err != nil {
				t.Fatal(err)
			}
			if s, f := len(trail.all(t, Filter{Outcome: Success})), len(trail.all(t, Filter{Outcome: Failure})); s != success || f != failure {
				t.Errorf("%d successes and %d failures are left, want %d and %d", s, f, success, failure)
			}
		}
		record(Success, 2)
		record(Failure, 10)
		counts(2, 3) // a flood of failures pushes no change out
		record(Success, 2)
		counts(3, 3)
		c.now = c.now.Add(59 * time.Minute)
		record(Failure, 1)
		counts(3, 3)
		c.now = c.now.Add(2 * time.Minute)
		counts(0, 1)
	})
}

func TestStrangersCannotFillEvents(t *testing.T) {
	trail, _ := newTrail(t, storetest.SQLite(t), Config{})
	long := strings.Repeat("x", 10_000)
	err := trail.RecordAlone(t.Context(), Event{
		Action: "authenticate", Outcome: Failure, Observer: Resource{Name: "identity"}, Initiator: Resource{TypeURI: UserType, ID: long, Name: long + "\xff"},
		Target: Resource{ID: long}, Reason: &Reason{long, "401"}, Attachments: map[string]any{"user_domain": long},
	})
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := json.Marshal(trail.all(t, Filter{})[0]); len(text) > 3000 {
		t.Errorf("an event of %d bytes", len(text))
	}
	var none *Trail
	if err := none.RecordAlone(t.Context(), Event{}); err != nil {
		t.Error(err)
	}
}

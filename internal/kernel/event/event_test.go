package event

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/kernel/waittest"
)

// heard is a subscriber that remembers.
type heard struct {
	mu   sync.Mutex
	got  []string
	lost int
	fail func(e Event) error
	news chan struct{}
}

func newHeard() *heard { return &heard{news: make(chan struct{}, 1)} }

func (h *heard) subscriber(name string, f Filter) Subscriber {
	return Subscriber{Name: name, Filter: f, Handle: h.handle, Lost: func(context.Context) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.lost++
		return nil
	}}
}

func (h *heard) handle(_ context.Context, e Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		if err := h.fail(e); err != nil {
			return err
		}
	}
	h.got = append(h.got, e.Resource+string(e.State))
	select {
	case h.news <- struct{}{}:
	default:
	}
	return nil
}

// until waits for what was heard to fit.
func (h *heard) until(t *testing.T, what string, fits func(got []string) bool) {
	t.Helper()
	end := time.After(2 * time.Minute)
	for {
		h.mu.Lock()
		got := slices.Clone(h.got)
		h.mu.Unlock()
		if fits(got) {
			return
		}
		select {
		case <-h.news:
		case <-end:
			t.Fatalf("%s: heard %v", what, got)
		}
	}
}

func (h *heard) untilIs(t *testing.T, want string) {
	t.Helper()
	h.until(t, want, func(got []string) bool { return strings.Join(got, " ") == want })
}

func newLog(t *testing.T, db *store.DB, host string) *Log {
	t.Helper()
	if err := db.Migrate(t.Context(), Migrations()); err != nil {
		t.Fatal(err)
	}
	return New(db, Config{Host: host, Poll: 20 * time.Millisecond})
}

func (l *Log) say(t *testing.T, resource string, state any) {
	t.Helper()
	if err := l.db.Write(t.Context(), func(tx *store.Tx) error {
		return l.Publish(t.Context(), tx, Event{Type: "compute.server.update", Resource: resource}, state)
	}); err != nil {
		t.Fatal(err)
	}
}

// settled waits until the event about the resource can be read. On PostgreSQL an
// event waits for every older transaction of the whole server, other databases' too.
func (l *Log) settled(t *testing.T, resource string) {
	t.Helper()
	waittest.True(t, 2*time.Minute, "the event of "+resource, func() bool {
		all, _, err := l.Since(t.Context(), Position{}, Filter{})
		return err == nil && slices.ContainsFunc(all, func(e Event) bool { return e.Resource == resource })
	})
}

func start(t *testing.T, l *Log, s ...Subscriber) {
	t.Helper()
	l.Subscribe(s...)
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
}

func TestAnEventSaysWhoAndWhat(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := newLog(t, db, "a")
		ctx := actor.With(t.Context(), &actor.Actor{UserID: "u", ProjectID: "p", RequestID: "req-1"})
		broken := errors.New("no")
		for _, end := range []error{broken, nil} {
			err := db.Write(ctx, func(tx *store.Tx) error {
				if err := l.Publish(ctx, tx, Event{Type: "compute.server.create", Notification: "compute.instance.create.start", Resource: "s"}, map[string]string{"name": "web"}); err != nil {
					return err
				}
				if err := l.Publish(ctx, tx, Event{Type: "image.image.update", Resource: "i", Project: "owner"}, strings.Repeat("x", maxState)); err != nil {
					return err
				}
				return end
			})
			if !errors.Is(err, end) {
				t.Fatal(err)
			}
		}
		all, to, err := l.Since(t.Context(), Position{}, Filter{})
		if err != nil || len(all) != 2 || to != all[1].At {
			t.Fatalf("%v: %+v, looked to %v", err, all, to)
		}
		e := all[0]
		if e.Type != "compute.server.create" || e.Notification != "compute.instance.create.start" || e.Resource != "s" || e.Project != "p" ||
			e.User != "u" || e.Request != "req-1" || string(e.State) != `{"name":"web"}` || time.Since(e.Time) > time.Minute {
			t.Errorf("%+v", e)
		}
		if e = all[1]; e.Project != "owner" || e.State != nil {
			t.Errorf("%+v", e)
		}
		for f, want := range map[Filter]int{{Type: "compute"}: 1, {Type: "image.image.update"}: 1, {Resource: "i"}: 1, {Project: "p"}: 1, {Project: "x"}: 0} {
			if got, looked, err := l.Since(t.Context(), Position{}, f); err != nil || len(got) != want || looked != to {
				t.Errorf("%+v: %v, %d events to %v", f, err, len(got), looked)
			}
		}
		var none *Log
		if err := none.Publish(ctx, nil, Event{}, nil); err != nil {
			t.Error(err)
		}
	})
}

// What a transaction does to a resource is one event.
func TestOneEventForEachResource(t *testing.T) {
	l := newLog(t, storetest.SQLite(t), "a")
	ctx := t.Context()
	err := l.db.Write(ctx, func(tx *store.Tx) error {
		for _, e := range []struct{ kind, id, state string }{
			{"a.port.create", "1", "new"},
			{"a.port.update", "1", "bound"},
			{"a.port.update", "2", "x"},
			{"a.net.update", "1", "y"},
			{"a.port.update", "2", "z"},
			{"a.port.delete", "2", "gone"},
			{"a.port.update", "2", "late"},
		} {
			if err := l.Publish(ctx, tx, Event{Type: e.kind, Resource: e.id}, e.state); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	all, _, err := l.Since(ctx, Position{}, Filter{})
	var got []string
	for _, e := range all {
		got = append(got, e.Type+" "+e.Resource+string(e.State))
	}
	if want := `[a.port.create 1"bound" a.port.delete 2"late" a.net.update 1"y"]`; err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v, %v, want %s", err, got, want)
	}
}

// Every process hears every event, in order, whoever published it; one that was
// away goes on where it stopped, and one that is new begins with the next.
func TestEveryProcessHearsAll(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, b := newLog(t, db, "a"), newLog(t, db, "b")
		a.say(t, "early", nil)
		a.settled(t, "early")
		atA, atB := newHeard(), newHeard()
		start(t, a, atA.subscriber("x", Filter{}))
		start(t, b, atB.subscriber("x", Filter{Type: "compute.server."}))
		a.say(t, "1", nil)
		b.say(t, "2", nil)
		atA.untilIs(t, "1 2")
		atB.untilIs(t, "1 2")
		b.Stop()
		a.say(t, "3", nil)
		a.say(t, "4", nil)
		atA.untilIs(t, "1 2 3 4")
		again, after := newLog(t, db, "b"), newHeard()
		start(t, again, after.subscriber("x", Filter{}))
		again.say(t, "5", nil)
		after.untilIs(t, "3 4 5")
	})
}

// What a handler refuses comes again before anything else; what a crash did not
// note comes again.
func TestNothingIsSkipped(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l, h := newLog(t, db, "a"), newHeard()
		tries := 0
		h.fail = func(e Event) error {
			if e.Resource == "2" && tries < 3 {
				tries++
				return errors.New("not now")
			}
			return nil
		}
		start(t, l, h.subscriber("x", Filter{}))
		for _, r := range []string{"1", "2", "3"} {
			l.say(t, r, nil)
		}
		h.untilIs(t, "1 2 3")
		if tries != 3 {
			t.Errorf("tried %d times", tries)
		}
	})
}

// Writers side by side change one resource: each event is heard once and in the
// order in which the changes were committed.
func TestOrderIsThatOfCommits(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l, h := newLog(t, db, "a"), newHeard()
		if err := db.Write(t.Context(), func(tx *store.Tx) error {
			for _, q := range []string{"CREATE TABLE thing (id TEXT PRIMARY KEY, n BIGINT)", "INSERT INTO thing VALUES ('x', 0), ('y', 0), ('z', 0)"} {
				if _, err := tx.Exec(t.Context(), q); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		start(t, l, h.subscriber("x", Filter{}))
		const writers, each = 6, 15
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				id := []string{"x", "y", "z"}[w%3]
				for range each {
					err := db.Write(t.Context(), func(tx *store.Tx) error {
						n, err := store.One(t.Context(), tx, store.Value[int64], "SELECT n FROM thing WHERE id = ?", id)
						if err != nil {
							return err
						}
						if _, err := tx.Exec(t.Context(), "UPDATE thing SET n = ? WHERE id = ?", n+1, id); err != nil {
							return err
						}
						return l.Publish(t.Context(), tx, Event{Type: "t", Resource: id}, n+1)
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		h.until(t, "all events", func(got []string) bool { return len(got) >= writers*each })
		want := map[string]int{}
		for _, text := range h.got {
			want[text[:1]]++
			if text != fmt.Sprint(text[:1], want[text[:1]]) {
				t.Fatalf("heard %v", h.got)
			}
		}
	})
}

func TestTheLogIsBounded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := newLog(t, db, "a")
		now := time.Now()
		l.cfg.Most, l.cfg.Now = 3, func() time.Time { return now }
		h := newHeard()
		first := newLog(t, db, "a")
		start(t, first, h.subscriber("x", Filter{}))
		first.say(t, "0", nil)
		h.untilIs(t, "0")
		first.Stop()
		for i := range 6 {
			l.say(t, fmt.Sprint(i+1), nil)
		}
		l.settled(t, "6")
		left := func(want string) {
			t.Helper()
			if _, err := l.Prune(t.Context()); err != nil {
				t.Fatal(err)
			}
			all, _, err := l.Since(t.Context(), Position{}, Filter{})
			var got []string
			for _, e := range all {
				got = append(got, e.Resource)
			}
			if err != nil || strings.Join(got, " ") != want {
				t.Errorf("%v: %v are left, want %s", err, got, want)
			}
		}
		left("4 5 6")
		left("4 5 6")
		again, after := newLog(t, db, "a"), newHeard()
		start(t, again, after.subscriber("x", Filter{}))
		after.untilIs(t, "4 5 6")
		again.Stop()
		if after.lost != 1 {
			t.Errorf("told %d times that events were lost", after.lost)
		}
		now = now.Add(25 * time.Hour)
		left("6")
		l.say(t, "7", nil)
		l.settled(t, "7")
		left("7")
	})
}

func TestWait(t *testing.T) {
	l := newLog(t, storetest.SQLite(t), "a")
	from, err := l.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan []Event)
	go func() {
		e, _, _ := l.Wait(t.Context(), from, Filter{Resource: "mine"})
		got <- e
	}()
	l.say(t, "other", nil)
	l.say(t, "mine", nil)
	if e := <-got; len(e) != 1 || e[0].Resource != "mine" {
		t.Errorf("%+v", e)
	}
	var p Position
	if err := p.UnmarshalText([]byte(Position{3, 17}.String())); err != nil || p != (Position{3, 17}) {
		t.Errorf("%v %v", err, p)
	}
	if err := p.UnmarshalText([]byte("x")); err == nil {
		t.Error("no place was read as one")
	}
}

// What an event adds to a small write.
func BenchmarkWrite(b *testing.B) {
	for _, with := range []bool{false, true} {
		b.Run(fmt.Sprintf("event=%v", with), func(b *testing.B) {
			db := storetest.SQLite(b)
			l := New(db, Config{})
			if err := db.Migrate(b.Context(), Migrations()); err != nil {
				b.Fatal(err)
			}
			if err := db.Write(b.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(b.Context(), "CREATE TABLE thing (id BIGINT PRIMARY KEY, v TEXT)")
				return err
			}); err != nil {
				b.Fatal(err)
			}
			text := strings.Repeat("x", 500)
			for i := 0; b.Loop(); i++ {
				err := db.Write(b.Context(), func(tx *store.Tx) error {
					if _, err := tx.Exec(b.Context(), "INSERT INTO thing VALUES (?, ?)", i, text); err != nil || !with {
						return err
					}
					return l.Publish(b.Context(), tx, Event{Type: "a.b.c", Resource: "r"}, map[string]string{"status": "ACTIVE", "name": "web"})
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestAPlaceFollowsWhatIsNotWanted has events that a subscriber has no interest in
// around one that it wants: its place ends behind all of them, so that none is read
// again, and more than a batch of them hides nothing.
func TestAPlaceFollowsWhatIsNotWanted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l, h := newLog(t, db, "a"), newHeard()
		start(t, l, h.subscriber("volumes", Filter{Type: "volume."}))
		if err := db.Write(t.Context(), func(tx *store.Tx) error {
			for i := range batch + 10 {
				e := Event{Type: "compute.server.update", Resource: fmt.Sprint("s", i)}
				if i == batch+5 {
					e = Event{Type: "volume.volume.create", Resource: "v"}
				}
				if err := l.Publish(t.Context(), tx, e, nil); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		h.untilIs(t, "v")
		waittest.True(t, 2*time.Minute, "the place is the end", func() bool {
			to, err := l.End(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var at Position
			err = db.Read(t.Context(), func(tx *store.Tx) (err error) {
				at, err = cursor(t.Context(), tx, "volumes", "a")
				return err
			})
			return err == nil && at == to && to != Position{}
		})
	})
}

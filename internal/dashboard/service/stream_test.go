package service_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"kumoi/internal/dashboard"
	"kumoi/internal/dashboard/api"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/httpx/httpxtest"
	"kumoi/internal/kernel/logx"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/kernel/waittest"
)

// tokens stands for identity: a token is its actor's.
type tokens struct {
	mu      sync.Mutex
	of      map[string]*actor.Actor
	changed chan struct{}
}

func (s *tokens) Authenticate(_ context.Context, token, _ string) (*actor.Actor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.of[token]; a != nil {
		return a, nil
	}
	return nil, errs.New(errs.Unauthenticated, "The request you have made requires authentication.")
}

func (s *tokens) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// set changes a token's actor; tell lets everybody know.
func (s *tokens) set(token string, a *actor.Actor, tell bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[token] = a; tell {
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

// cloud is the stream behind a real port, with a log of events.
type cloud struct {
	t      *testing.T
	db     *store.DB
	log    *event.Log
	tokens *tokens
	hub    *dashboard.Hub
	url    string
}

func newCloud(t *testing.T, db *store.DB, beat, check time.Duration) *cloud {
	t.Helper()
	if err := db.Migrate(t.Context(), event.Migrations()); err != nil {
		t.Fatal(err)
	}
	c := &cloud{t: t, db: db, log: event.New(db, event.Config{Poll: 20 * time.Millisecond, Most: 5}), tokens: &tokens{changed: make(chan struct{}), of: map[string]*actor.Actor{
		"mia": {UserID: "mia", ProjectID: "mine"}, "oto": {UserID: "oto", ProjectID: "other"}, "ada": {UserID: "ada", ProjectID: "cloud", Roles: []string{"admin"}},
		"sys": {UserID: "sys", SystemScope: "all", Roles: []string{"reader"}},
	}}}
	rules := policy.New()
	if err := rules.Register(dashboard.Rules()...); err != nil {
		t.Fatal(err)
	}
	c.hub = dashboard.NewHub(c.log, nil)
	apis := api.New(api.Config{
		Files: func() (*dashboard.Files, error) { return dashboard.LoadFiles(fstest.MapFS{"index.html": {}}) },
		Hub:   c.hub, Identity: c.tokens, Policy: rules, Beat: beat, Check: check,
	})
	gw, err := httpx.NewGateway(httpx.Config{Services: apis, Auth: c.tokens, Log: logx.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gw)
	c.url = server.URL
	t.Cleanup(func() {
		c.hub.Close()
		server.Close()
	})
	return c
}

// say publishes a change in a project.
func (c *cloud) say(kind, id, project string) {
	c.t.Helper()
	if err := c.db.Write(c.t.Context(), func(tx *store.Tx) error {
		return c.log.Publish(c.t.Context(), tx, event.Event{Type: kind + ".update", Resource: id, Project: project}, nil)
	}); err != nil {
		c.t.Fatal(err)
	}
}

// settled waits until the newest event can be read.
func (c *cloud) settled(id string) (at event.Position) {
	c.t.Helper()
	waittest.True(c.t, time.Minute, "the event of "+id, func() bool {
		all, _, err := c.log.Since(c.t.Context(), event.Position{}, event.Filter{Resource: id})
		if err != nil || len(all) == 0 {
			return false
		}
		at = all[len(all)-1].At
		return true
	})
	return at
}

// message is one of a stream's.
type message struct{ id, event, data, comment string }

// listener reads a stream.
type listener struct {
	t    *testing.T
	resp *http.Response
	got  chan message
}

func (c *cloud) listen(token, last string) *listener {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.url+"/ui/events", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", token)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		c.t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	l := &listener{c.t, resp, make(chan message, 100)}
	c.t.Cleanup(l.close)
	go l.read()
	return l
}

func (l *listener) close() { l.resp.Body.Close() }

func (l *listener) read() {
	defer close(l.got)
	var m message
	for s := bufio.NewScanner(l.resp.Body); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "":
			if s.Text() == "" {
				l.got <- m
				m = message{}
			} else {
				m.comment = value
			}
		case "id":
			m.id = value
		case "event":
			m.event = value
		case "data":
			m.data = value
		}
	}
}

// next is the next message that is no sign of life.
func (l *listener) next() (m message, open bool) {
	l.t.Helper()
	end := time.After(time.Minute)
	for {
		select {
		case m, open = <-l.got:
			if open && m.comment != "" {
				continue
			}
			return m, open
		case <-end:
			l.t.Fatal("the stream says nothing")
		}
	}
}

func (l *listener) hint() dashboard.Hint {
	l.t.Helper()
	m, open := l.next()
	var h dashboard.Hint
	if !open || m.event != "hint" || json.Unmarshal([]byte(m.data), &h) != nil || m.id != h.At.String() {
		l.t.Fatalf("open %v: %+v", open, m)
	}
	return h
}

func (l *listener) ends() {
	l.t.Helper()
	if m, open := l.next(); open {
		l.t.Fatalf("the stream goes on: %+v", m)
	}
}

func TestStream(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCloud(t, db, time.Hour, time.Hour)
		for _, token := range []string{"", "wrong"} {
			httpxtest.New(t, c.url).As(token).Want(401, "GET", "/ui/events", nil)
		}
		mia, oto, ada, sys := c.listen("mia", ""), c.listen("oto", ""), c.listen("ada", ""), c.listen("sys", "")
		c.say("compute.server", "1", "mine")
		c.say("placement.inventory", "2", "mine")
		c.say("compute.server", "3", "other")
		told := map[string]*listener{"1": mia, "3": oto, "1 2 3": ada, "1 2 3 ": sys}
		for want, l := range told {
			for id := range strings.FieldsSeq(want) {
				if h := l.hint(); h.ID != id || h.Op != "update" {
					t.Errorf("heard %+v, want %s of %s", h, id, want)
				}
			}
		}
		// The words are those that the page knows.
		c.say("network.port", "4", "mine")
		m, _ := mia.next()
		var words map[string]any
		if err := json.Unmarshal([]byte(m.data), &words); err != nil || len(words) != 5 || words["kind"] != "network.port" || words["id"] != "4" ||
			words["op"] != "update" || words["project"] != "mine" || words["seq"] != m.id {
			t.Errorf("%v: %s", err, m.data)
		}
	})
}

// A page that was away goes on where it was, or is told that it missed something.
func TestStreamGoesOn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCloud(t, db, time.Hour, time.Hour)
		c.say("compute.server", "0", "mine")
		from := c.settled("0")
		l := c.listen("mia", from.String())
		c.say("compute.server", "1", "mine")
		first := l.hint()
		l.close()
		c.say("compute.server", "2", "mine")
		c.say("compute.server", "theirs", "other")
		c.say("compute.server", "3", "mine")
		c.settled("3")
		l = c.listen("mia", first.At.String())
		for _, want := range []string{"2", "3"} {
			if h := l.hint(); h.ID != want {
				t.Errorf("heard %+v, want %s", h, want)
			}
		}
		c.say("compute.server", "4", "mine")
		if h := l.hint(); h.ID != "4" {
			t.Errorf("heard %+v", h)
		}
		for i := range 8 {
			c.say("compute.server", fmt.Sprint("more", i), "mine")
		}
		last := c.settled("more7")
		if _, err := c.log.Prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		later := last
		later.Transaction, later.Number = later.Transaction+1_000_000, later.Number+1_000_000
		for _, place := range []string{from.String(), later.String(), "what", "9-9-9"} {
			l := c.listen("mia", place)
			m, _ := l.next()
			if m.event != "reset" || m.id == "" {
				t.Errorf("from %s: %+v", place, m)
			}
			c.say("compute.server", "5", "mine")
			for h := l.hint(); h.ID != "5"; h = l.hint() { // what came just before may come as well
				if h.At == from || !strings.HasPrefix(h.ID, "more") {
					t.Errorf("from %s: then %+v", place, h)
				}
			}
			l.close()
		}
	})
}

// Who reads too slowly is told to look at everything anew, and keeps nobody waiting.
func TestASlowReaderBeginsAnew(t *testing.T) {
	c := newCloud(t, storetest.SQLite(t), time.Hour, time.Hour)
	slow, err := c.hub.Open(t.Context(), "mia", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fast := c.listen("mia", "")
	const n = 1200
	if err := c.db.Write(t.Context(), func(tx *store.Tx) error {
		for i := range n {
			if err := c.log.Publish(t.Context(), tx, event.Event{Type: "compute.server.update", Resource: fmt.Sprint(i), Project: "mine"}, nil); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	// The log is read in batches: that the last one was read is seen by the other reader.
	for {
		m, _ := fast.next()
		var h dashboard.Hint
		if m.event == "reset" || json.Unmarshal([]byte(m.data), &h) == nil && h.ID == fmt.Sprint(n-1) {
			break
		}
	}
	waittest.True(t, time.Minute, "all to be read", func() bool {
		end, err := c.log.End(t.Context())
		probe, perr := c.hub.Open(t.Context(), "probe", nil)
		if err != nil || perr != nil {
			return false
		}
		defer probe.Close()
		return probe.Place() == end
	})
	hints, _, reset := slow.Take()
	if !reset || len(hints) != 0 {
		t.Errorf("%d hints, reset %v", len(hints), reset)
	}
	c.say("compute.server", "after", "mine")
	waittest.True(t, time.Minute, "the next hint", func() bool {
		hints, _, reset = slow.Take()
		return len(hints) == 1 && hints[0].ID == "after" && !reset
	})
}

// A stream ends with its token: at once if that is revoked, at the next look if it expires.
func TestAStreamEndsWithItsToken(t *testing.T) {
	c := newCloud(t, storetest.SQLite(t), time.Hour, time.Hour)
	mia, oto := c.listen("mia", ""), c.listen("oto", "")
	c.tokens.set("mia", nil, true)
	mia.ends()
	c.say("compute.server", "1", "other")
	if h := oto.hint(); h.ID != "1" {
		t.Errorf("%+v", h)
	}
	// A role that is lost counts at once too, without an end.
	ada := c.listen("ada", "")
	c.say("compute.server", "2", "mine")
	if h := ada.hint(); h.ID != "2" {
		t.Errorf("%+v", h)
	}
	c.tokens.set("ada", &actor.Actor{UserID: "ada", ProjectID: "cloud"}, true)
	c.tokens.set("x", nil, true)
	c.say("compute.server", "3", "cloud")
	if h := ada.hint(); h.ID != "3" {
		t.Errorf("%+v", h)
	}
	c.say("compute.server", "4", "mine")
	c.say("compute.server", "5", "cloud")
	if h := ada.hint(); h.ID != "5" {
		t.Errorf("told of what is another project's: %+v", h)
	}

	c = newCloud(t, storetest.SQLite(t), time.Hour, 20*time.Millisecond)
	mia = c.listen("mia", "")
	c.tokens.set("mia", nil, false)
	mia.ends()
}

func TestStreamsAreBounded(t *testing.T) {
	c := newCloud(t, storetest.SQLite(t), 20*time.Millisecond, time.Hour)
	var open []*listener
	for range 8 {
		open = append(open, c.listen("mia", ""))
	}
	client := httpxtest.New(t, c.url)
	client.As("mia").Want(429, "GET", "/ui/events", nil)
	c.listen("oto", "")
	open[3].close()
	waittest.True(t, time.Minute, "the place of a page that is gone", func() bool {
		s, err := c.hub.Open(t.Context(), "mia", nil)
		if err == nil {
			s.Close()
		}
		return err == nil
	})
	c.listen("mia", "")
	for range 3 { // and those that live say so, with the place
		select {
		case m := <-open[0].got:
			if m.comment == "" || m.id == "" || m.event != "" {
				t.Errorf("%+v", m)
			}
		case <-time.After(time.Minute):
			t.Fatal("no sign of life")
		}
	}
	c.hub.Close()
	open[0].ends()
}

package api_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kumoi/internal/image"
	"kumoi/internal/image/api"
	"kumoi/internal/image/backend"
	"kumoi/internal/image/backend/file"
	"kumoi/internal/image/sqlstore"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/httpx/httpxtest"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/kernel/task"
)

// tokens are the people of these tests: the token is the name.
type tokens struct{}

func (tokens) Authenticate(_ context.Context, token, _ string) (*actor.Actor, error) {
	who := map[string]*actor.Actor{
		"admin":   {ProjectID: "p-admin", Roles: []string{"admin", "manager", "member", "reader"}},
		"alice":   {ProjectID: "p-alice", Roles: []string{"member", "reader"}},
		"bob":     {ProjectID: "p-bob", Roles: []string{"member", "reader"}},
		"reader":  {ProjectID: "p-alice", Roles: []string{"reader"}},
		"none":    {ProjectID: "p-alice", Roles: []string{"other"}},
		"service": {ProjectID: "p-service", Roles: []string{"service"}},
		"manager": {ProjectID: "p-alice", Roles: []string{"manager", "member", "reader"}},

		"system-admin":  {SystemScope: "all", Roles: []string{"admin", "manager", "member", "reader"}},
		"system-reader": {SystemScope: "all", Roles: []string{"reader"}},
		"domain-admin":  {DomainID: "d-alice", Roles: []string{"admin", "manager", "member", "reader"}},
		"domain-member": {DomainID: "d-alice", Roles: []string{"member", "reader"}},
	}[token]
	if who == nil {
		return nil, errs.New(errs.Unauthenticated, "The request you have made requires authentication.")
	}
	who.UserID = "u-" + token
	return who, nil
}

// cloud is an image service behind HTTP.
type cloud struct {
	httpxtest.Client
	t     testing.TB
	svc   *image.Service
	sagas *saga.Engine
	tasks *task.Runner
	url   string
	db    *store.DB

	gateway http.Handler
}

// option changes what a cloud is made of.
type option func(*image.Deps)

func newCloud(t testing.TB, db *store.DB, options ...option) *cloud {
	t.Helper()
	ctx := context.Background()
	if err := db.Migrate(ctx, saga.Migrations(), sqlstore.Migrations()); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(logWriter{t}, nil))
	}
	runner := task.NewRunner(log)
	engine := saga.NewEngine(db, saga.Config{Log: log, Backoff: func(int) time.Duration { return time.Millisecond }})
	d := image.Deps{
		DB: db, Tables: sqlstore.Tables(), Policy: policy.New(), Log: log, Tasks: runner, Sagas: engine,
		Config: image.DefaultConfig(t.TempDir()),
	}
	for _, o := range options {
		o(&d)
	}
	if d.Stores == nil {
		d.Stores = []image.NamedStore{{ID: "file", Description: "files", Backend: fileStore(t)}}
	}
	svc, err := image.New(d)
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := engine.Open(ctx); err != nil {
		t.Fatal(err)
	}
	runner.Start()
	gateway, err := httpx.NewGateway(httpx.Config{Services: []*httpx.Service{api.New(svc)}, Auth: tokens{}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gateway)
	t.Cleanup(func() {
		server.Close()
		engine.Close()
		runner.Stop()
		svc.Stop()
	})
	url := server.URL + "/image"
	return &cloud{Client: httpxtest.New(t, url), t: t, svc: svc, sagas: engine, tasks: runner, url: url, db: db, gateway: gateway}
}

type logWriter struct{ t testing.TB }

func (w logWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func fileStore(t testing.TB) backend.Backend {
	t.Helper()
	s, err := file.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// create makes a raw image; more are further attributes in pairs.
func (c *cloud) create(who string, more ...any) string {
	c.t.Helper()
	body := map[string]any{"name": "test", "disk_format": "raw", "container_format": "bare"}
	for i := 0; i < len(more); i += 2 {
		body[fmt.Sprint(more[i])] = more[i+1]
	}
	return c.As(who).Want(201, "POST", "/v2/images", body).Text("id")
}

func (c *cloud) show(who, id string) map[string]any {
	c.t.Helper()
	return c.As(who).Want(200, "GET", "/v2/images/"+id, nil).Object()
}

// each runs f against a fresh image service on each database, and on one that fails
// every request at each of its statements.
func each(t *testing.T, f func(t *testing.T, c *cloud), options ...option) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB) { f(t, newCloud(t, db, options...)) })
	t.Run("failing", func(t *testing.T) {
		c := newCloud(t, storetest.SQLite(t), options...)
		c.url = "http://cloud.test/image"
		c.Client = httpxtest.Direct(t, c.gateway, "/image").Failing()
		f(t, c)
	})
}

// Package volumetest is a volume service behind HTTP, with hosts in memory, for tests.
package volumetest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/image"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/httpx/httpxtest"
	"kumoi/internal/kernel/logx"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/kernel/task"
	"kumoi/internal/volume"
	"kumoi/internal/volume/api"
	"kumoi/internal/volume/backend/fake"
	"kumoi/internal/volume/sqlstore"
)

// Cloud is a volume service behind HTTP. It speaks the newest microversion as
// the people of Tokens.
type Cloud struct {
	httpxtest.Client
	T      testing.TB
	DB     *store.DB
	Svc    *volume.Service
	Sagas  *saga.Engine
	Tasks  *task.Runner
	Hosts  *Hosts
	Images *Images

	gateway http.Handler
}

// Each runs f against a fresh cloud on each database; on one that fails every request
// at each of its statements; and on one where somebody without a role in anything
// sends every request first.
func Each(t *testing.T, f func(t *testing.T, c *Cloud)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB) { f(t, On(t, db)) })
	t.Run("failing", func(t *testing.T) {
		c := New(t)
		c.Client = c.direct().Failing()
		f(t, c)
	})
	t.Run("guarded", func(t *testing.T) {
		c := New(t)
		c.Client = c.direct().Guarded("none", forEverybody...)
		f(t, c)
	})
}

// forEverybody are requests that no role is needed for.
var forEverybody = []string{
	"GET /types", "GET /group_types", "GET /limits", "GET /os-availability-zone", "GET /resource_filters", "GET /extensions",
}

func (c *Cloud) direct() httpxtest.Client {
	return httpxtest.Direct(c.T, c.gateway, "/volume/v3").At("volume " + api.MaxVersion.String())
}

// Tokens are the people: the token is the name, "p-NAME" the project.
type Tokens struct{}

// Authenticate knows them.
func (Tokens) Authenticate(_ context.Context, token, _ string) (*actor.Actor, error) {
	who := map[string]*actor.Actor{
		"admin":   {ProjectID: "p-admin", Roles: []string{"admin", "manager", "member", "reader"}},
		"alice":   {ProjectID: "p-alice", Roles: []string{"member", "reader"}},
		"bob":     {ProjectID: "p-bob", Roles: []string{"member", "reader"}},
		"reader":  {ProjectID: "p-alice", Roles: []string{"reader"}},
		"none":    {ProjectID: "p-alice", Roles: []string{"other"}},
		"service": {ProjectID: "p-alice", Roles: []string{"service", "member", "reader"}},
	}[token]
	if who == nil {
		return nil, errs.New(errs.Unauthenticated, "The request you have made requires authentication.")
	}
	who.UserID = "u-" + token
	return who, nil
}

// New makes a cloud on SQLite with one host, "host", with the backend "fake".
func New(t testing.TB, options ...func(*volume.Deps)) *Cloud {
	t.Helper()
	return On(t, storetest.SQLite(t), options...)
}

// On is New on a database.
func On(t testing.TB, db *store.DB, options ...func(*volume.Deps)) *Cloud {
	t.Helper()
	c := Assemble(t, db, options...)
	ctx := context.Background()
	if err := c.Svc.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Sagas.Open(ctx); err != nil {
		t.Fatal(err)
	}
	c.Tasks.Start()
	gateway, err := httpx.NewGateway(httpx.Config{Services: []*httpx.Service{api.New(c.Svc)}, Auth: Tokens{}, Log: logx.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	c.gateway = gateway
	server := httptest.NewServer(gateway)
	t.Cleanup(func() {
		server.Close()
		c.Sagas.Close()
		c.Tasks.Stop()
		c.Svc.Stop()
	})
	c.Client = httpxtest.New(t, server.URL+"/volume/v3").At("volume " + api.MaxVersion.String())
	return c
}

// Assemble is a service whose sagas nobody runs.
func Assemble(t testing.TB, db *store.DB, options ...func(*volume.Deps)) *Cloud {
	t.Helper()
	if err := db.Migrate(context.Background(), saga.Migrations(), sqlstore.Migrations()); err != nil {
		t.Fatal(err)
	}
	c := &Cloud{T: t, DB: db, Hosts: &Hosts{hosts: map[string]*fake.Host{}}, Images: &Images{images: map[string]*image.Image{}}}
	c.Tasks = task.NewRunner(logx.Discard())
	c.Sagas = saga.NewEngine(db, saga.Config{Backoff: func(int) time.Duration { return time.Millisecond }})
	d := volume.Deps{
		DB: db, Tables: sqlstore.Tables(), Policy: policy.New(), Sagas: c.Sagas, Tasks: c.Tasks, Hosts: c.Hosts, Images: c.Images,
		Identity: projects{}, Secrets: secrets{}, Config: volume.Config{DataDir: t.TempDir()},
	}
	for _, o := range options {
		o(&d)
	}
	var err error
	if c.Svc, err = volume.New(d); err != nil {
		t.Fatal(err)
	}
	if err := c.Svc.Types.Start(context.Background()); err != nil { // each cloud has a default one
		t.Fatal(err)
	}
	c.Hosts.control, c.Hosts.svc = control{c}, c.Svc
	c.Hosts.Add("host")
	c.Tasks.Add(task.Task{Name: "test.hosts", Every: hostapi.HeartbeatEvery, Run: func(ctx context.Context) (string, error) { return "", c.Hosts.report(ctx) }})
	return c
}

// Volume makes a volume of one GiB and waits until it is available; more are
// further attributes in pairs.
func (c *Cloud) Volume(who string, more ...any) string {
	c.T.Helper()
	body := httpxtest.Object{"size": 1}
	for i := 0; i < len(more); i += 2 {
		body[fmt.Sprint(more[i])] = more[i+1]
	}
	id := c.As(who).Want(202, "POST", "/volumes", httpxtest.Object{"volume": body}).Text("volume.id")
	c.Settle()
	return id
}

// Settle waits until no saga runs.
func (c *Cloud) Settle() {
	c.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.Sagas.WaitIdle(ctx); err != nil {
		c.T.Fatal(err)
	}
	c.Tasks.Wake("volume.groups") // as events do in a whole cloud
}

// Status is a volume's, as its administrator sees it; "" if there is none.
func (c *Cloud) Status(id string) string {
	c.T.Helper()
	c.Settle()
	return c.As("admin").Do("GET", "/volumes/"+id, nil).Text("volume.status")
}

// Hosts are hosts in memory.
type Hosts struct {
	mu      sync.Mutex
	hosts   map[string]*fake.Host
	control hostapi.VolumeControl
	svc     *volume.Service
	net     *fake.Net
	// Wrap, if set, stands before each host, to make it fail.
	Wrap func(host string, h hostapi.VolumeHost) hostapi.VolumeHost
}

// Add adds a host with backends, "fake" if none is named, which reports them.
func (h *Hosts) Add(name string, backends ...string) *fake.Host {
	return h.add(fake.Config{Host: name, Backends: backends})
}

// Share adds a host that has the same bytes as another.
func (h *Hosts) Share(name, with string) *fake.Host {
	return h.add(fake.Config{Host: name, Shared: h.Host(with)})
}

func (h *Hosts) add(cfg fake.Config) *fake.Host {
	name := cfg.Host
	h.mu.Lock()
	if h.net == nil {
		h.net = fake.NewNet()
	}
	cfg.Control, cfg.Net = h.control, h.net
	h.hosts[name] = fake.New(cfg)
	h.mu.Unlock()
	if err := h.report(context.Background()); err != nil {
		panic(err)
	}
	return h.Host(name)
}

// Lose has a host gone; the others report.
func (h *Hosts) Lose(name string) {
	h.mu.Lock()
	delete(h.hosts, name)
	h.mu.Unlock()
	if err := h.report(context.Background()); err != nil {
		panic(err)
	}
}

// report has all hosts say what they have.
func (h *Hosts) report(ctx context.Context) error {
	h.mu.Lock()
	hosts := maps.Clone(h.hosts)
	h.mu.Unlock()
	for name, host := range hosts {
		list, err := host.VolumeBackends(ctx)
		if err == nil {
			err = h.svc.Backends.TakeReport(actor.AsSystem(ctx, "host"), name, hostapi.VolumeReport{Backends: list})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Volumes is a host.
func (h *Hosts) Volumes(host string) hostapi.VolumeHost {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out hostapi.VolumeHost = h.hosts[host]
	if h.Wrap != nil {
		out = h.Wrap(host, out)
	}
	return out
}

// Host is a host in memory, for tests that look at its bytes.
func (h *Hosts) Host(name string) *fake.Host {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hosts[name]
}

type projects struct{}

func (projects) ProjectExists(context.Context, *store.Tx, string) (bool, error) { return true, nil }

// secrets turn every byte, which is enough to see that none is stored as it is.
type secrets struct{}

func (secrets) Seal(_ context.Context, _ string, b []byte) ([]byte, error) { return turned(b), nil }
func (secrets) Open(_ context.Context, _ string, b []byte) ([]byte, error) { return turned(b), nil }

func turned(b []byte) []byte {
	out := slices.Clone(b)
	for i := range out {
		out[i] ^= 0xFF
	}
	return out
}

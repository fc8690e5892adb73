// Package apptest starts a whole cloud in the process of a test: all services,
// the bus, the sagas and a host agent, with a pretended hypervisor and network,
// behind a real port. Its tests drive it as users do, over HTTP, with an SDK
// that is not ours.
package apptest

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"

	"kumoi/internal/agent/hypervisor/fake"
	"kumoi/internal/app"
	"kumoi/internal/kernel/store/storetest"
)

// AdminPassword is the administrator's in every cloud of these tests.
const AdminPassword = "a password for tests"

// Cloud is a cloud that runs in this process.
type Cloud struct {
	t       testing.TB
	Config  app.Config
	Guests  *fake.Hypervisor // lives on when the cloud is stopped
	running *app.Cloud
}

// Each runs a test on a cloud of its own for each database.
func Each(t *testing.T, f func(t *testing.T, c *Cloud)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, New(t)) })
	t.Run("postgres", func(t *testing.T) {
		c := Make(t)
		c.Config.Database = storetest.PostgresDSN(t)
		c.Start()
		f(t, c)
	})
}

// New starts a cloud on SQLite in a temporary folder.
func New(t testing.TB) *Cloud {
	t.Helper()
	c := Make(t)
	c.Start()
	return c
}

// Make prepares a cloud without starting it.
func Make(t testing.TB) *Cloud {
	t.Helper()
	c := &Cloud{t: t, Guests: fake.New()}
	c.Config = config(t.TempDir(), freePort(t))
	c.Config.Guests = lasting{c.Guests}
	return c
}

func config(dir, listen string) app.Config {
	return app.Config{
		DataDir: dir, Listen: listen, Region: "RegionOne", Host: "testhost", Hypervisor: "fake", Fabric: "fake",
		VirtType: "qemu", OutsideCIDR: "172.24.4.0/24", ImageCacheGiB: 1, PasswordsCheap: true, AdminPassword: AdminPassword,
		LogFormat: "text", LogLevel: "info",
	}
}

// freePort asks the kernel for a port that nobody has.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// lasting is a hypervisor that stays when its user goes, as a real one does.
type lasting struct{ *fake.Hypervisor }

func (lasting) Close() error { return nil }

// Start starts the cloud, or starts it again.
func (c *Cloud) Start() {
	c.t.Helper()
	out, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { out.Close() })
	cfg := c.Config
	running, err := app.Start(c.t.Context(), &cfg, app.Roles{Control: true, Host: true}, slog.New(slog.NewTextHandler(out, nil)))
	if err != nil {
		c.t.Fatal(err)
	}
	c.running = running
	c.t.Cleanup(func() {
		if c.running == running {
			c.Stop()
		}
	})
}

func (c *Cloud) logFile() string { return filepath.Join(c.Config.DataDir, "kumoi.log") }

// Logged tells whether a text is in the cloud's log.
func (c *Cloud) Logged(text string) bool {
	c.t.Helper()
	log, err := os.ReadFile(c.logFile())
	if err != nil {
		c.t.Fatal(err)
	}
	return bytes.Contains(log, []byte(text))
}

// Stop stops the cloud; guests stay.
func (c *Cloud) Stop() {
	c.t.Helper()
	if err := c.running.Stop(); err != nil {
		c.t.Error(err)
	}
	c.running = nil
}

// AuthURL is where to log in.
func (c *Cloud) AuthURL() string { return c.Config.AuthURL() }

// Login logs a user of the default domain in.
func (c *Cloud) Login(user, password, project string) *Session {
	c.t.Helper()
	p, err := openstack.AuthenticatedClient(c.t.Context(), gophercloud.AuthOptions{
		IdentityEndpoint: c.AuthURL(), Username: user, Password: password, DomainID: "default", TenantName: project, AllowReauth: true,
	})
	if err != nil {
		c.t.Fatalf("log in as %s: %v", user, err)
	}
	return newSession(c.t, p)
}

// Admin logs the administrator in.
func (c *Cloud) Admin() *Session {
	c.t.Helper()
	return c.Login("admin", AdminPassword, "admin")
}

// patience is how long anything may take before a test gives up on it.
const patience = 60 * time.Second

// Until waits for a condition, looking often.
func Until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited %s for %s", patience, what)
		case <-tick.C:
		}
	}
}

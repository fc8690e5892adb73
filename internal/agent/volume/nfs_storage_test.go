//go:build realdeps && storage

package volume_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"kumoi/internal/agent/volume"
	"kumoi/internal/agent/volume/nfs3"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/nstest"
	"kumoi/internal/kernel/waittest"
	"kumoi/internal/volume/backend/backendtest"
)

func TestMain(m *testing.M) { nstest.Main(m) }

// start starts a program that ends with the test.
func start(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// mountTmpfs has the tests' own mount namespace show an empty folder.
func mountTmpfs(t *testing.T, at, options string) {
	t.Helper()
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", at, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(at, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// ganesha is an NFS server in user space.
type ganesha struct {
	t           *testing.T
	dir, export string
	server      *exec.Cmd
}

func newGanesha(t *testing.T) *ganesha {
	t.Helper()
	g := &ganesha{t: t, dir: t.TempDir()}
	g.export = filepath.Join(g.dir, "export")
	mountTmpfs(t, "/run", "")
	mountTmpfs(t, "/var/lib/nfs", "")
	for _, dir := range []string{g.export, "/run/ganesha", "/var/lib/nfs/ganesha"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	plugins, err := filepath.Glob("/usr/lib/*/ganesha")
	if err != nil || len(plugins) == 0 {
		t.Fatal("nfs-ganesha is not installed; make test-storage installs it")
	}
	conf := fmt.Sprintf(`NFS_CORE_PARAM { Protocols = 3,4; NFS_Port = 2049; MNT_Port = 20048; Enable_NLM = false; Enable_RQUOTA = false; Plugins_Dir = %q; }
NFSv4 { Graceless = true; RecoveryBackend = fs; }
EXPORT { Export_Id = 1; Path = %q; Pseudo = /export; Access_Type = RW; Squash = No_Root_Squash; SecType = sys; Protocols = 3,4; Transports = TCP; FSAL { Name = VFS; } }
`, plugins[0], g.export)
	if err := os.WriteFile(filepath.Join(g.dir, "conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, "rpcbind", "-w", "-f") // there is nothing but loopback here
	g.start()
	return g
}

func (g *ganesha) start() {
	g.t.Helper()
	g.server = start(g.t, "ganesha.nfsd", "-F", "-L", filepath.Join(g.dir, "log"), "-f", filepath.Join(g.dir, "conf"), "-p", filepath.Join(g.dir, "pid"), "-N", "EVENT")
	waittest.Until(g.t, 30*time.Second, func() error {
		c := nfs3.New("127.0.0.1", g.export)
		defer c.Close()
		_, _, err := c.Room(g.t.Context())
		return err
	})
}

func (g *ganesha) stop() {
	_ = g.server.Process.Kill()
	_ = g.server.Wait()
}

// shared is a host with a backend of its own in storage that others have too.
func newShared(t *testing.T, name, backend string, open func(cfg volume.Config) (*volume.Backend, error)) *host {
	t.Helper()
	h := newHost(t, name)
	h.cfg.Name, h.cfg.Dir = backend, filepath.Join(t.TempDir(), backend)
	h.openBackend = open
	h.restart(t)
	return h
}

func (h *host) harness(t *testing.T) backendtest.Harness {
	return backendtest.Harness{
		Host: h, Name: h.name, Backend: h.cfg.Name, Control: h.control, Encrypts: true, Bitmaps: true,
		Open: func(conn *hostapi.VolumeConnection) (backendtest.Device, error) {
			c, err := h.open(t.Context(), conn.VolumeID+conn.Export, conn)
			if err != nil {
				return nil, err
			}
			return c, nil
		},
	}
}

func TestNFSBackend(t *testing.T) {
	g := newGanesha(t)
	backendtest.Run(t, func(t *testing.T) backendtest.Harness {
		return newShared(t, "host-a", "nfs", g.open).harness(t)
	})
}

func (g *ganesha) open(cfg volume.Config) (*volume.Backend, error) {
	return volume.NewNFS(cfg, volume.NFS{Share: "127.0.0.1:" + g.export})
}

// A share that is mounted is a folder that must be a mount.
func TestMountedShare(t *testing.T) {
	at := filepath.Join(t.TempDir(), "share")
	open := func(cfg volume.Config) (*volume.Backend, error) { return volume.NewNFS(cfg, volume.NFS{Path: at}) }
	h := newShared(t, "host-a", "nfs", open)
	said := func() hostapi.VolumeBackend {
		t.Helper()
		list, err := h.VolumeBackends(t.Context())
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		return list[0]
	}
	if b := said(); b.Fault == "" {
		t.Errorf("a share that is not mounted: %+v", b)
	}
	mountTmpfs(t, at, "size=4g")
	if b := said(); b.Fault != "" || b.TotalGiB != 4 || !b.Shared || !b.Thin || !b.Thick {
		t.Errorf("a share that is mounted: %+v", b)
	}
	backendtest.Run(t, func(t *testing.T) backendtest.Harness {
		harness := newShared(t, "host-a", "nfs", open).harness(t)
		harness.Thick = true
		return harness
	})
}

// A share that is away says so soon and keeps nothing else; what was asked of a
// volume in it is answered when it is back.
func TestNFSAway(t *testing.T) {
	g := newGanesha(t)
	h := newShared(t, "host-a", "nfs", g.open)
	ref := h.create(t, 1)
	c := h.dial(t, "c", h.export(t, ref, "c", "host-a"))
	put(t, c, 0, "before")
	g.stop()
	begin := time.Now()
	list, err := h.VolumeBackends(t.Context())
	if took := time.Since(begin); err != nil || len(list) != 1 || list[0].Fault == "" || took > 5*time.Second {
		t.Errorf("after %s: %+v, %v", took, list, err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := c.WriteAt(make([]byte, 4096), 1<<20)
		answered <- err
	}()
	g.start()
	if err := <-answered; err != nil {
		t.Error(err)
	}
	get(t, c, 0, "before")
	waittest.Until(t, 20*time.Second, func() error {
		list, err := h.VolumeBackends(context.WithoutCancel(t.Context()))
		if err == nil && list[0].Fault != "" {
			err = fmt.Errorf("it still says: %s", list[0].Fault)
		}
		return err
	})
}

// Of the hosts that have a share, one at a time serves a volume; which, the last
// that was asked to.
func TestNFSTwoHosts(t *testing.T) { twoHosts(t, "nfs", newGanesha(t).open) }

func twoHosts(t *testing.T, backend string, open func(volume.Config) (*volume.Backend, error)) {
	a, b := newShared(t, "host-a", backend, open), newShared(t, "host-b", backend, open)
	ref := a.create(t, 1)
	put(t, a.dial(t, "c", a.export(t, ref, "c", "host-a")), 0, "by host-a")
	if err := b.ExtendVolume(t.Context(), ref, 2); !errs.Is(err, errs.Unavailable) {
		t.Errorf("host-b extends what host-a serves: %v", err)
	}
	if err := b.UnexportVolume(t.Context(), ref, "c"); err != nil {
		t.Error(err)
	}
	if err := a.UnexportVolume(t.Context(), ref, "c"); err != nil {
		t.Fatal(err)
	}
	conn := b.export(t, ref, "c", "host-b")
	if conn.Host != "host-b" || conn.Address != "" {
		t.Errorf("on the same host: %+v", conn)
	}
	d := b.dial(t, "c", conn)
	get(t, d, 0, "by host-a")
	put(t, d, 1<<20, "by host-b")
	// host-b is down, says the control plane.
	e := a.dial(t, "d", a.export(t, ref, "d", "host-a"))
	get(t, e, 1<<20, "by host-b")
	b.restart(t)
	b.Watch(t.Context())
	if left, _ := filepath.Glob(filepath.Join(b.run, "*.pid")); len(left) > 0 {
		t.Errorf("host-b goes on serving: %v", left)
	}
	put(t, e, 2<<20, "by host-a again")
	if err := a.UnexportVolume(t.Context(), ref, "d"); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteVolume(t.Context(), ref); err != nil {
		t.Error(err)
	}
}

package image_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"kumoi/internal/image"
	"kumoi/internal/image/backend"
	"kumoi/internal/image/backend/file"
	"kumoi/internal/image/sqlstore"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/task"
	"kumoi/internal/kernel/waittest"
)

// node is an image service over a folder, as it is after a start.
type node struct {
	svc   *image.Service
	db    *store.DB
	sagas *saga.Engine
	tasks *task.Runner
}

// openNode starts a service over dir; crash, if set, is asked at each step of a saga.
func openNode(dir string, log io.Writer, wrap func(backend.Backend) backend.Backend, crash func(saga.Point) bool) (*node, error) {
	ctx := context.Background()
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(dir, "db"))
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, saga.Migrations(), sqlstore.Migrations()); err != nil {
		return nil, err
	}
	lg := slog.New(slog.NewTextHandler(log, nil))
	n := &node{db: db, tasks: task.NewRunner(lg)}
	n.sagas = saga.NewEngine(db, saga.Config{Log: lg, Crash: crash, Backoff: func(int) time.Duration { return time.Millisecond }})
	var stores []image.NamedStore
	for _, id := range []string{"one", "two"} {
		files, err := file.New(filepath.Join(dir, id))
		if err != nil {
			return nil, err
		}
		var b backend.Backend = files
		if wrap != nil {
			b = wrap(b)
		}
		stores = append(stores, image.NamedStore{ID: id, Backend: b})
	}
	cfg := image.DefaultConfig(filepath.Join(dir, "data"))
	cfg.WebAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	n.svc, err = image.New(image.Deps{DB: db, Tables: sqlstore.Tables(), Policy: policy.New(), Log: lg, Config: cfg, Stores: stores, Sagas: n.sagas, Tasks: n.tasks})
	if err != nil {
		return nil, err
	}
	if err := n.svc.Start(ctx); err != nil {
		return nil, err
	}
	return n, n.sagas.Open(ctx)
}

func (n *node) close() {
	n.sagas.Close()
	n.tasks.Stop()
	n.db.Close()
}

func asAdmin(ctx context.Context) context.Context {
	return actor.With(ctx, &actor.Actor{UserID: "u", ProjectID: "p", Roles: []string{"admin", "member", "reader"}})
}

const crashID = "11111111-2222-3333-4444-555555555555"

// deadly kills the process in the middle of what a store does.
type deadly struct {
	backend.Backend
	point string
}

func die(point, here string) {
	if point == here {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func (d deadly) Put(ctx context.Context, key string, r io.Reader, size int64) (int64, error) {
	die(d.point, "before-put")
	n, err := d.Backend.Put(ctx, key, &deadlyReader{r: r, point: d.point}, size)
	die(d.point, "after-put")
	return n, err
}

func (d deadly) Open(ctx context.Context, u string) (backend.Object, error) {
	o, err := d.Backend.Open(ctx, u)
	die(d.point, "after-open")
	return o, err
}

func (d deadly) Delete(ctx context.Context, u string) error {
	die(d.point, "before-delete")
	err := d.Backend.Delete(ctx, u)
	die(d.point, "after-delete")
	return err
}

type deadlyReader struct {
	r     io.Reader
	point string
	n     int
}

func (d *deadlyReader) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if d.n += n; d.n > 400_000 {
		die(d.point, "mid-put")
	}
	return n, err
}

func crashData() []byte {
	b := make([]byte, 1_000_000)
	for i := range b {
		b[i] = byte(i * i >> 7)
	}
	return b
}

// TestMain is also the process that the crash tests kill.
func TestMain(m *testing.M) {
	if dir := os.Getenv("KUMOI_CRASH_DIR"); dir != "" {
		if err := crashChild(dir, os.Getenv("KUMOI_CRASH_OP"), os.Getenv("KUMOI_CRASH_POINT"), os.Getenv("KUMOI_CRASH_URL")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// crashChild does one operation and is killed at the point: one of a store, or
// the number of a moment in the saga's life.
func crashChild(dir, op, point, url string) error {
	moment, isMoment := -1, false
	if n, err := strconv.Atoi(point); err == nil {
		moment, isMoment = n, true
	}
	armed := false
	n, err := openNode(dir, os.Stderr, func(b backend.Backend) backend.Backend { return &arming{deadly{b, point}, &armed} }, func(saga.Point) bool {
		if isMoment {
			if moment--; moment < 0 {
				die("x", "x")
			}
		}
		return false
	})
	if err != nil {
		return err
	}
	n.tasks.Start()
	ctx := asAdmin(context.Background())
	if _, err := n.svc.Images.Create(ctx, map[string]any{"id": crashID, "disk_format": "raw", "container_format": "bare"}); err != nil {
		return err
	}
	request := image.ImportRequest{AllMustSucceed: true}
	switch op {
	case "upload":
		armed = true
		return n.svc.Uploads.Create(ctx, crashID, bytes.NewReader(crashData()), -1, "")
	case "stage":
		return n.svc.Uploads.Stage(ctx, crashID, &deadlyReader{r: bytes.NewReader(crashData()), point: point}, -1)
	case "glance-direct":
		if err := n.svc.Uploads.Stage(ctx, crashID, bytes.NewReader(crashData()), -1); err != nil {
			return err
		}
		request.AllStores = true
	case "web-download":
		request.URI = url
	case "copy-image":
		if err := n.svc.Uploads.Create(ctx, crashID, bytes.NewReader(crashData()), -1, "one"); err != nil {
			return err
		}
		request.Stores = []string{"two"}
	}
	armed = true
	request.Method = op
	if err := n.svc.Imports.Create(ctx, crashID, request); err != nil {
		return err
	}
	return n.sagas.WaitIdle(ctx)
}

// arming lets a store be deadly only once the preparations are over.
type arming struct {
	deadly
	armed *bool
}

func (a *arming) now() deadly {
	d := a.deadly
	if !*a.armed {
		d.point = ""
	}
	return d
}

func (a *arming) Put(ctx context.Context, key string, r io.Reader, size int64) (int64, error) {
	return a.now().Put(ctx, key, r, size)
}

func (a *arming) Open(ctx context.Context, u string) (backend.Object, error) {
	return a.now().Open(ctx, u)
}
func (a *arming) Delete(ctx context.Context, u string) error { return a.now().Delete(ctx, u) }

// TestKilled kills the process at every step of every way to fill an image and
// looks at what a restart makes of it: either the image is whole, or it is
// queued and nothing is left over.
func TestKilled(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(crashData()) }))
	t.Cleanup(web.Close) // after the parallel subtests
	stores := []string{"before-put", "mid-put", "after-put", "after-open"}
	moments := []string{"0", "1", "2", "3", "4", "5", "6"} // as many as the longest import has
	for op, points := range map[string][]string{
		"upload":        stores,
		"stage":         {"mid-put"},
		"glance-direct": append(slices.Clone(moments[:5]), "before-delete", "after-delete", "before-put", "mid-put", "after-put"),
		"web-download":  append(slices.Clone(moments), "mid-put"),
		"copy-image":    append(slices.Clone(moments[:3]), "after-open", "before-put", "mid-put", "after-put"),
	} {
		for _, point := range points {
			t.Run(op+"/"+point, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), "KUMOI_CRASH_DIR="+dir, "KUMOI_CRASH_OP="+op, "KUMOI_CRASH_POINT="+point, "KUMOI_CRASH_URL="+web.URL)
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				if killed := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL; !killed {
					t.Fatalf("the process was not killed: %v\n%s", err, out)
				}
				recover1(t, dir, op)
			})
		}
	}
}

// recover1 restarts over dir and checks what holds then.
func recover1(t *testing.T, dir, op string) {
	n, err := openNode(dir, io.Discard, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	n.tasks.Start()
	ctx, cancel := context.WithTimeout(asAdmin(context.Background()), 30*time.Second)
	defer cancel()
	if err := n.sagas.WaitIdle(ctx); err != nil {
		t.Fatal(err)
	}
	img, err := n.svc.Images.Show(ctx, crashID)
	if err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, 20*time.Second, func() error {
		if img, err = n.svc.Images.Show(ctx, crashID); err != nil {
			t.Fatal(err)
		}
		left := leftovers(t, dir)
		if slices.Contains([]image.Status{image.Queued, image.Active, image.Uploading}, img.Status) && len(left) == len(img.Locations) {
			return nil
		}
		return fmt.Errorf("%s, locations %v, but there are %v", img, img.Locations, left)
	})
	for name := range img.Properties {
		if name == "os_glance_import_task" {
			t.Errorf("the image is still marked as being imported")
		}
	}
	switch {
	case img.Status == image.Active:
		data, err := n.svc.Downloads.OpenData(ctx, crashID)
		if err != nil {
			t.Fatal(err)
		}
		defer data.Close()
		got, err := io.ReadAll(io.NewSectionReader(data, 0, data.Size()))
		if err != nil || !bytes.Equal(got, crashData()) {
			t.Errorf("an active image has other data: %d bytes, %v", len(got), err)
		}
	case img.Status == image.Queued:
		if op == "copy-image" {
			t.Errorf("copying took the image's data away")
		}
		if err := n.svc.Uploads.Create(ctx, crashID, bytes.NewReader(crashData()), -1, ""); err != nil {
			t.Errorf("uploading again: %v", err)
		}
	}
	if staged, _ := filepath.Glob(filepath.Join(dir, "data", "staging", "*")); len(staged) > 0 && img.Status != image.Uploading {
		t.Errorf("left in the staging area: %v", staged)
	}
}

// leftovers lists the data in all stores.
func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	for _, id := range []string{"one", "two"} {
		err := filepath.WalkDir(filepath.Join(dir, id), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil && !d.IsDir() && !strings.Contains(path, ".sha512") {
				out = append(out, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

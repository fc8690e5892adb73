package image_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kumoi/internal/image"
	"kumoi/internal/image/backend/file"
	"kumoi/internal/image/backend/web"
	"kumoi/internal/image/sqlstore"
	"kumoi/internal/image/webget"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/saga/sagatest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/kernel/task"
)

// world is an image service with one image in it whose saga has not begun.
type world struct {
	node
	dir string
	web string // where crashData is
}

func newWorld(t *testing.T) *world { return newWorldWith(t, func(*image.Config) {}) }

func newWorldWith(t *testing.T, change func(*image.Config)) *world {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(crashData()))
	}))
	t.Cleanup(server.Close)
	w := &world{dir: t.TempDir(), web: server.URL + "/data"}
	w.db = storetest.SQLite(t)
	if err := w.db.Migrate(t.Context(), saga.Migrations(), sqlstore.Migrations()); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	w.tasks, w.sagas = task.NewRunner(log), saga.NewEngine(w.db, saga.Config{})
	cfg := image.DefaultConfig(filepath.Join(w.dir, "data"))
	cfg.WebAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	change(&cfg)
	stores := []image.NamedStore{{ID: "web", Backend: web.New(webget.Rules{Allow: cfg.WebAllow})}}
	for _, id := range []string{"two", "one"} {
		b, err := file.New(filepath.Join(w.dir, id))
		if err != nil {
			t.Fatal(err)
		}
		stores = append([]image.NamedStore{{ID: id, Backend: b}}, stores...)
	}
	var err error
	w.svc, err = image.New(image.Deps{DB: w.db, Tables: sqlstore.Tables(), Policy: policy.New(), Log: log, Config: cfg, Stores: stores, Sagas: w.sagas, Tasks: w.tasks})
	if err != nil {
		t.Fatal(err)
	}
	ctx := asAdmin(t.Context())
	if err := w.svc.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := w.svc.Images.Create(ctx, map[string]any{"id": crashID, "disk_format": "raw", "container_format": "bare"}); err != nil {
		t.Fatal(err)
	}
	return w
}

// env has the harness run the saga that waits for the image.
func (w *world) env(t *testing.T, d saga.Definition[image.ImportState]) sagatest.Env[image.ImportState] {
	t.Helper()
	list, err := w.sagas.List(t.Context(), saga.Filter{Kind: d.Kind, States: []saga.State{saga.Running}})
	if err != nil || len(list) != 1 {
		t.Fatalf("%d sagas wait for the image: %v", len(list), err)
	}
	var st image.ImportState
	detail, err := w.sagas.Show(t.Context(), list[0].ID)
	if err == nil {
		err = json.Unmarshal([]byte(detail.Events[0].Data), &st)
	}
	if err == nil {
		err = w.sagas.Abandon(t.Context(), list[0].ID, "the test runs it itself")
	}
	if err != nil {
		t.Fatal(err)
	}
	return sagatest.Env[image.ImportState]{
		DB: w.db, Definition: d, Resource: "image/" + crashID, Params: st, Actor: actor.From(asAdmin(t.Context())),
		CheckDone: func(t *testing.T) { w.whole(t, 1) },
		CheckClean: func(t *testing.T) {
			w.settled(t, image.Queued, 0)
			w.reaped(t, 0)
		},
	}
}

// settled looks at the image once its saga has ended.
func (w *world) settled(t *testing.T, want image.Status, locations int) *image.Image {
	t.Helper()
	img, err := w.svc.Images.Show(asAdmin(t.Context()), crashID)
	if err != nil {
		t.Fatal(err)
	}
	if img.Status != want || len(img.Locations) != locations || img.Properties["os_glance_import_task"] != "" || img.Properties["os_glance_importing_to_stores"] != "" {
		t.Errorf("the image is %s at %v with %v, want %s at %d", img.Status, img.Locations, img.Properties, want, locations)
	}
	var open int
	err = w.db.Read(t.Context(), func(tx *store.Tx) (err error) {
		open, err = store.One(t.Context(), tx, store.Value[int], "SELECT count(*) FROM image_task WHERE status NOT IN ('success', 'failure')")
		return err
	})
	if err != nil || open != 0 {
		t.Errorf("%d tasks have not ended: %v", open, err)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "data", "staging", crashID)); err == nil {
		t.Error("staged data is left")
	}
	return img
}

// whole demands that the image is active and can be read.
func (w *world) whole(t *testing.T, locations int) {
	t.Helper()
	w.settled(t, image.Active, locations)
	data, err := w.svc.Downloads.OpenData(asAdmin(t.Context()), crashID)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	r, err := data.Range(t.Context(), 0, data.Size())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, crashData()) {
		t.Errorf("%d bytes of the data, %v", len(got), err)
	}
}

// reaped waits until so much data is in the stores and no more.
func (w *world) reaped(t *testing.T, want int) {
	t.Helper()
	w.tasks.Start()
	defer w.tasks.Stop()
	for deadline := time.After(20 * time.Second); len(leftovers(t, w.dir)) != want; {
		select {
		case <-deadline:
			t.Fatalf("in the stores: %v", leftovers(t, w.dir))
		case <-time.After(time.Millisecond):
		}
	}
}

func TestImportSaga(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"web-download", "glance-direct"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			sagatest.Run(t, func(t *testing.T) sagatest.Env[image.ImportState] {
				w := newWorld(t)
				ctx := asAdmin(t.Context())
				r := image.ImportRequest{Method: method, AllStores: true, AllMustSucceed: true}
				if method == "web-download" {
					r.URI = w.web
				} else if err := w.svc.Uploads.Stage(ctx, crashID, bytes.NewReader(crashData()), -1); err != nil {
					t.Fatal(err)
				}
				if err := w.svc.Imports.Create(ctx, crashID, r); err != nil {
					t.Fatal(err)
				}
				env := w.env(t, w.svc.ImportSaga())
				env.CheckDone = func(t *testing.T) {
					w.whole(t, 2)
					w.reaped(t, 2)
				}
				return env
			})
		})
	}
	t.Run("copy-image", func(t *testing.T) {
		t.Parallel()
		sagatest.Run(t, func(t *testing.T) sagatest.Env[image.ImportState] {
			w := newWorld(t)
			ctx := asAdmin(t.Context())
			if err := w.svc.Uploads.Create(ctx, crashID, bytes.NewReader(crashData()), -1, "one"); err != nil {
				t.Fatal(err)
			}
			if err := w.svc.Imports.Create(ctx, crashID, image.ImportRequest{Method: "copy-image", Stores: []string{"two"}, AllMustSucceed: true}); err != nil {
				t.Fatal(err)
			}
			env := w.env(t, w.svc.ImportSaga())
			env.CheckDone = func(t *testing.T) {
				w.whole(t, 2)
				w.reaped(t, 2)
			}
			env.CheckClean = func(t *testing.T) {
				w.whole(t, 1)
				w.reaped(t, 1)
			}
			return env
		})
	})
}

func TestLocationSaga(t *testing.T) {
	t.Parallel()
	sagatest.Run(t, func(t *testing.T) sagatest.Env[image.ImportState] {
		w := newWorld(t)
		if err := w.svc.Locations.Create(asAdmin(t.Context()), crashID, w.web, nil); err != nil {
			t.Fatal(err)
		}
		return w.env(t, w.svc.LocationSaga())
	})
}

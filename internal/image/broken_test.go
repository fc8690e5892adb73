package image_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kumoi/internal/image"
	"kumoi/internal/image/sqlstore"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// write changes rows as if by another process.
func (w *world) write(t *testing.T, f func(ctx context.Context, tx *store.Tx, tables image.Tables) error) {
	t.Helper()
	if err := w.db.Write(t.Context(), func(tx *store.Tx) error { return f(t.Context(), tx, sqlstore.Tables()) }); err != nil {
		t.Fatal(err)
	}
}

// upkeep does what the service does by itself, on a database that fails it at
// each statement in turn: each time it must say so, and in the end all is done.
func (w *world) upkeep(t *testing.T, name string) string {
	t.Helper()
	said := ""
	if err := storetest.Failing(t, func(ctx context.Context) (err error) {
		said, err = w.svc.Upkeep()[name](ctx)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return said
}

func rows[T any](t *testing.T, w *world, table *store.Table[T]) (out []*T) {
	t.Helper()
	err := w.db.Read(t.Context(), func(tx *store.Tx) (err error) {
		out, err = table.All(t.Context(), tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Uploads whose writer is gone are given up: their data goes, their image is
// queued again, unless it is somebody else's to decide.
func TestUploadsGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := asAdmin(t.Context())
	tables := sqlstore.Tables()
	image1 := func(status string, properties map[string]string) string {
		img, err := w.svc.Images.Create(ctx, map[string]any{"disk_format": "raw", "container_format": "bare"})
		if err != nil {
			t.Fatal(err)
		}
		w.write(t, func(ctx context.Context, tx *store.Tx, tables image.Tables) error {
			for name, value := range properties {
				if err := tables.Properties.Insert(ctx, tx, &image.PropertyRow{ImageID: img.ID, Name: name, Value: value}); err != nil {
					return err
				}
			}
			_, err := tables.Images.Patch(ctx, tx, store.Changes{"status": status}, store.Eq("id", img.ID))
			return err
		})
		return img.ID
	}
	task := map[string]string{"os_glance_import_task": "x"}
	past, future := time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	want := map[string]string{}
	for _, tc := range []struct {
		status, store string
		lease         time.Time
		task          map[string]string
		want          string
	}{
		{"saving", "one", past, nil, "queued"}, {"saving", "one", future, nil, "saving"}, {"uploading", "", past, nil, "queued"},
		{"uploading", "one", past, nil, "uploading"}, {"saving", "one", past, task, "saving"}, {"active", "one", past, nil, "active"},
		{"importing", "", past, task, "importing"}, {"active", "", past, nil, "active"}, {"saving", "", past, nil, "queued"},
	} {
		id := image1(tc.status, tc.task)
		url := "staging:" + id
		if tc.store != "" {
			url = "file://" + filepath.Join(w.dir, "one", id)
		}
		w.write(t, func(ctx context.Context, tx *store.Tx, tables image.Tables) error {
			return tables.Uploads.Insert(ctx, tx, &image.Upload{URL: url, Store: tc.store, ImageID: id, Node: "other", LeaseUntil: tc.lease})
		})
		path := filepath.Join(w.dir, "one", id)
		if tc.store == "" {
			path = filepath.Join(w.dir, "data", "staging", id+".part")
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		want[id] = tc.want
	}
	w.write(t, func(ctx context.Context, tx *store.Tx, tables image.Tables) error { // of an image that is gone
		return tables.Uploads.Insert(ctx, tx, &image.Upload{URL: "file://" + filepath.Join(w.dir, "one", "gone"), Store: "one", ImageID: ids.New(), LeaseUntil: past})
	})
	if said := w.upkeep(t, "reap"); said != "9 uploads given up, 6 objects tried to remove" && !strings.HasPrefix(said, "0 uploads") {
		t.Errorf("upkeep says %q", said)
	}
	for id, status := range want {
		img, err := w.svc.Images.Show(ctx, id)
		if err != nil || string(img.Status) != status {
			t.Errorf("an image is %s, want %s: %v", img.Status, status, err)
		}
	}
	if left := rows(t, w, tables.Uploads); len(left) != 1 || !left[0].LeaseUntil.After(time.Now()) {
		t.Errorf("uploads left: %v", left)
	}
	if left := rows(t, w, tables.Garbage); len(left) > 0 {
		t.Errorf("garbage left: %v", left)
	}
	if left := leftovers(t, w.dir); len(left) != 1 {
		t.Errorf("in the stores are %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(w.dir, "data", "staging", "*")); len(left) > 0 {
		t.Errorf("in the staging area are %v", left)
	}
}

// Garbage goes when it is due, unless somebody has the data; what cannot be
// removed is tried again, later each time.
func TestGarbage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := asAdmin(t.Context())
	if err := w.svc.Uploads.Create(ctx, crashID, bytes.NewReader(crashData()), -1, "one"); err != nil {
		t.Fatal(err)
	}
	img, err := w.svc.Images.Show(ctx, crashID)
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return "file://" + filepath.Join(w.dir, "one", name) }
	for _, name := range []string{"due", "early", "uploading"} {
		if err := os.WriteFile(filepath.Join(w.dir, "one", name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	w.write(t, func(ctx context.Context, tx *store.Tx, tables image.Tables) error {
		if err := tables.Uploads.Insert(ctx, tx, &image.Upload{URL: at("uploading"), Store: "one", ImageID: "x", LeaseUntil: now.Add(time.Hour)}); err != nil {
			return err
		}
		for _, g := range []image.Garbage{
			{URL: at("due"), Store: "one", NotBefore: now.Add(-time.Minute)}, {URL: at("early"), Store: "one", NotBefore: now.Add(time.Hour)},
			{URL: img.Locations[0].URL, Store: "one", NotBefore: now.Add(-time.Minute)}, {URL: at("uploading"), Store: "one", NotBefore: now.Add(-time.Minute)},
			{URL: "x", Store: "gone", NotBefore: now.Add(-time.Minute)}, {URL: "y", Store: "gone", NotBefore: now.Add(-time.Minute), Attempts: 11},
			{URL: "z", Store: "gone", NotBefore: now.Add(-time.Minute), Attempts: 50},
		} {
			g.ID = ids.New()
			if err := tables.Garbage.Insert(ctx, tx, &g); err != nil {
				return err
			}
		}
		return nil
	})
	w.upkeep(t, "reap")
	w.whole(t, 1)
	if left := leftovers(t, w.dir); len(left) != 3 {
		t.Errorf("in the stores are %v", left)
	}
	for _, g := range rows(t, w, sqlstore.Tables().Garbage) {
		wait := time.Until(g.NotBefore)
		about := func(d time.Duration) bool { return wait > d-time.Minute && wait <= d }
		switch g.URL {
		case at("early"):
		case "x":
			if g.Attempts != 1 || wait > 2*time.Second {
				t.Errorf("after the first attempt: %+v", g)
			}
		case "y":
			if g.Attempts != 12 || !about(time.Hour) {
				t.Errorf("after the twelfth attempt it waits %v", wait)
			}
		case "z":
			if g.Attempts != 51 || !about(time.Hour) {
				t.Errorf("after the fiftieth attempt it waits %v", wait)
			}
		default:
			t.Errorf("left is %+v", g)
		}
	}
}

// Records of tasks go when they have expired, those without an end stay.
func TestTasksExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now()
	w.write(t, func(ctx context.Context, tx *store.Tx, tables image.Tables) error {
		for id, until := range map[string]time.Time{"running": {}, "old": now.Add(-time.Minute), "new": now.Add(time.Minute)} {
			if err := tables.Tasks.Insert(ctx, tx, &image.Task{ID: id, ExpiresAt: until}); err != nil {
				return err
			}
		}
		return nil
	})
	if said := w.upkeep(t, "tasks"); said != "1 records removed" {
		t.Errorf("upkeep says %q", said)
	}
	var left string
	for _, task := range rows(t, w, sqlstore.Tables().Tasks) {
		left += task.ID + " "
	}
	if left != "new running " {
		t.Errorf("left are %s", left)
	}
}

// steps runs a saga's steps and its end by hand, each on a database that fails at
// each statement in turn. What a step does without the database's leave is not
// asked for: silence about a failed statement is what the steps that only show
// their progress may have.
func steps(t *testing.T, w *world, d saga.Definition[image.ImportState], end bool) {
	t.Helper()
	env := w.env(t, d)
	under := func(ctx context.Context) context.Context { return actor.With(ctx, env.Actor) }
	st := env.Params
	for _, s := range d.Steps {
		if s.Skip != nil && s.Skip(&st) {
			continue
		}
		broken, ctx := storetest.FailAt(t.Context(), 1)
		try := st
		if err := s.Do(under(ctx), &try); err == nil && broken() != "" {
			t.Errorf("the step %s goes on although its first statement failed: %s", s.Name, broken())
		}
		if err := s.Do(under(t.Context()), &st); err != nil {
			t.Fatalf("the step %s: %v", s.Name, err)
		}
	}
	if !end {
		for _, s := range d.Steps {
			if s.Undo == nil {
				continue
			}
			if err := storetest.Failing(t, func(ctx context.Context) error { return s.Undo(under(ctx), &st) }); err != nil {
				t.Fatalf("undoing the step %s: %v", s.Name, err)
			}
		}
	}
	if err := storetest.Failing(t, func(ctx context.Context) error {
		return w.db.Write(ctx, func(tx *store.Tx) error {
			last := st
			if end {
				return d.Done(under(ctx), tx, &last)
			}
			return d.Failed(under(ctx), tx, &last, errs.New(errs.Invalid, "because"))
		})
	}); err != nil {
		t.Fatal(err)
	}
}

// An import, and the hashing of a location, on a database that fails now and then.
func TestSagasOnABrokenDatabase(t *testing.T) {
	t.Parallel()
	for _, end := range []bool{true, false} {
		for _, way := range []string{"web-download", "copy-image", "location"} {
			w := newWorld(t)
			ctx := asAdmin(t.Context())
			d, locations, before := w.svc.ImportSaga(), 2, 0
			var err error
			switch way {
			case "web-download":
				err = w.svc.Imports.Create(ctx, crashID, image.ImportRequest{Method: way, AllStores: true, AllMustSucceed: true, URI: w.web})
			case "copy-image":
				before = 1
				if err = w.svc.Uploads.Create(ctx, crashID, bytes.NewReader(crashData()), -1, "one"); err == nil {
					err = w.svc.Imports.Create(ctx, crashID, image.ImportRequest{Method: way, Stores: []string{"two"}, AllMustSucceed: true})
				}
			default:
				d, locations = w.svc.LocationSaga(), 1
				err = w.svc.Locations.Create(ctx, crashID, w.web, nil)
			}
			if err != nil {
				t.Fatal(err)
			}
			steps(t, w, d, end)
			switch {
			case end:
				w.whole(t, locations)
			case before > 0:
				w.whole(t, before)
			default:
				w.settled(t, image.Queued, 0)
			}
			if end && way == "location" {
				locations = 0 // nothing of it is in our stores
			}
			if !end {
				locations = before
			}
			w.reaped(t, locations)
		}
	}
}

// An image that is deleted while a saga works on it stays deleted, and its task ends.
func TestDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"web-download", "location"} {
		w := newWorld(t)
		ctx := asAdmin(t.Context())
		d := w.svc.ImportSaga()
		var err error
		if way == "location" {
			d = w.svc.LocationSaga()
			err = w.svc.Locations.Create(ctx, crashID, w.web, nil)
		} else {
			err = w.svc.Imports.Create(ctx, crashID, image.ImportRequest{Method: way, URI: w.web})
		}
		if err != nil {
			t.Fatal(err)
		}
		st := w.env(t, d).Params
		if err := w.svc.Images.Delete(ctx, crashID); err != nil {
			t.Fatal(err)
		}
		for _, s := range d.Steps {
			if s.Name == "fetch" {
				continue
			}
			try := st
			if err := s.Do(ctx, &try); !errs.Is(err, errs.NotFound) {
				t.Errorf("%s: the step %s of an image that is gone: %v", way, s.Name, err)
			}
		}
		err = w.db.Write(ctx, func(tx *store.Tx) error { return d.Done(ctx, tx, &st) })
		if !errs.Is(err, errs.Gone) {
			t.Errorf("%s: the end of it: %v", way, err)
		}
		if err := w.db.Write(ctx, func(tx *store.Tx) error { return d.Failed(ctx, tx, &st, errs.As(err)) }); err != nil {
			t.Errorf("%s: its failure: %v", way, err)
		}
		for _, task := range rows(t, w, sqlstore.Tables().Tasks) {
			if task.Status != "failure" || !strings.Contains(task.Message, "deleted") || task.ExpiresAt.Before(time.Now().Add(47*time.Hour)) {
				t.Errorf("%s: task %+v", way, task)
			}
		}
		if _, err := w.svc.Images.Show(ctx, crashID); !errs.Is(err, errs.NotFound) {
			t.Errorf("%s: the image is back: %v", way, err)
		}
	}
}

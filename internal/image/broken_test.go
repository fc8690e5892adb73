package image_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
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
		{"saving", "one", past, nil, "queued"},
		{"saving", "one", future, nil, "saving"},
		{"uploading", "", past, nil, "queued"},
		{"uploading", "one", past, nil, "uploading"},
		{"saving", "one", past, task, "saving"},
		{"active", "one", past, nil, "active"},
		{"importing", "", past, task, "importing"},
		{"active", "", past, nil, "active"},
		{"saving", "", past, nil, "queued"},
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
			{URL: at("due"), Store: "one", NotBefore: now.Add(-time.Minute)},
			{URL: at("early"), Store: "one", NotBefore: now.Add(time.Hour)},
			{URL: img.Locations[0].URL, Store: "one", NotBefore: now.Add(-time.Minute)},
			{URL: at("uploading"), Store: "one", NotBefore: now.Add(-time.Minute)},
			{URL: "x", Store: "gone", NotBefore: now.Add(-time.Minute)},
			{URL: "y", Store: "gone", NotBefore: now.Add(-time.Minute), Attempts: 11},
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
	if said := w.upkeep(t, "reap"); said != "0 uploads given up, 0 objects tried to remove" {
		t.Errorf("with nothing to do upkeep says %q", said)
	}
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

// What is in the cache: who counts what is read, what goes first, what is forgotten.
func TestCacheUpkeep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := asAdmin(t.Context())
	at := func(id string) string { return filepath.Join(w.dir, "data", "cache", id) }
	made := func(data string) string {
		img, err := w.svc.Images.Create(ctx, map[string]any{"disk_format": "raw", "container_format": "bare"})
		if err == nil && data != "" {
			err = w.svc.Uploads.Create(ctx, img.ID, strings.NewReader(data), -1, "")
		}
		if err != nil {
			t.Fatal(err)
		}
		return img.ID
	}
	file := func(id, data string) {
		if err := os.WriteFile(at(id), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now().UTC().Truncate(time.Second)
	read, lost, queued, empty, gone := made("0123"), made("4567"), made("89"), made(""), ids.New()
	// Copies differ from the images, so that it is seen which is read.
	file(read, "abcd")
	file(gone, "x")
	file(empty, "x")
	w.write(t, func(ctx context.Context, tx *store.Tx, tables image.Tables) error {
		for i, e := range []image.CacheEntry{
			{ImageID: read, Cached: true, Size: 4},
			{ImageID: lost, Cached: true, Size: 4},
			{ImageID: queued},
			{ImageID: empty},
			{ImageID: gone, Cached: true, Size: 1},
			{ImageID: read, Node: "other", Cached: true, Size: 4},
			{ImageID: queued, Node: "other"},
			{ImageID: lost, Node: "third", Cached: true},
		} {
			if e.Node == "" {
				e.Node = "kumoi"
			}
			e.LastAccessed = now.Add(time.Duration(i-100) * time.Second)
			if err := tables.Cache.Insert(ctx, tx, &e); err != nil {
				return err
			}
		}
		return nil
	})
	text := func(id string) string {
		data, err := w.svc.Downloads.Open(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		defer data.Close()
		b := make([]byte, data.Size())
		if _, err := data.ReadAt(b, 0); err != nil && err != io.EOF { //nolint:errorlint // io.ReaderAt's contract
			t.Fatal(err)
		}
		return string(b)
	}
	if got := text(read); got != "abcd" {
		t.Errorf("the copy is not read but %q", got)
	}
	list, err := w.svc.Cache.List(ctx)
	if err != nil || len(list) != 5 || list[4].ImageID != read || list[4].Hits != 1 || list[4].LastAccessed.Before(now.Add(-time.Second)) {
		t.Errorf("the cache holds %v, %v", list, err)
	}
	if err := storetest.Failing(t, func(ctx context.Context) error {
		text(read) // a hit that could not be counted is lost
		_, err := w.svc.Cache.List(asAdmin(ctx))
		return err
	}); err != nil {
		t.Error(err)
	}
	for id, want := range map[string]string{read: "kumoi other", lost: "kumoi third", queued: ""} {
		if err := storetest.Failing(t, func(ctx context.Context) error {
			nodes, err := w.svc.Cache.Nodes(asAdmin(ctx), id)
			slices.Sort(nodes)
			if got := strings.Join(nodes, " "); err == nil && got != want {
				t.Errorf("on the nodes %q, want %q", got, want)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}

	if said := w.upkeep(t, "cache"); said != "1 images cached, 0 with 0 bytes dropped" && said != "0 images cached, 0 with 0 bytes dropped" {
		t.Errorf("upkeep says %q", said)
	}
	var have string
	for _, e := range rows(t, w, sqlstore.Tables().Cache) {
		if e.Node == "kumoi" {
			have += fmt.Sprint(e.ImageID == read, e.ImageID == queued, e.Cached, e.Size, " ")
		}
	}
	if have != "true false true 4 false true true 2 " && have != "false true true 2 true false true 4 " {
		t.Errorf("after upkeep the cache holds %s", have)
	}
	for id, there := range map[string]bool{read: true, queued: true, gone: false, empty: false} {
		if _, err := os.Stat(at(id)); (err == nil) != there {
			t.Errorf("whether a copy is there is %v, want %v", err == nil, there)
		}
	}

	// Cleaning leaves what is known, and what may be on its way in.
	for name, age := range map[string]time.Duration{"unknown": 2 * time.Minute, "fresh": 30 * time.Second, lost + ".part": 2 * time.Minute} {
		file(name, "x")
		if err := os.Chtimes(at(name), now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(at(read), now.Add(-time.Hour), now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := storetest.Failing(t, func(ctx context.Context) error { return w.svc.Cache.Clean(asAdmin(ctx)) }); err != nil {
		t.Fatal(err)
	}
	for name, there := range map[string]bool{"unknown": false, "fresh": true, lost + ".part": false, read: true} {
		if _, err := os.Stat(at(name)); (err == nil) != there {
			t.Errorf("after cleaning, whether %q is there is %v, want %v", name, err == nil, there)
		}
	}

	// Dropping is of what is known, whether there is an image or not.
	drop := func(id string) error {
		return storetest.Failing(t, func(ctx context.Context) error { return w.svc.Cache.Drop(asAdmin(ctx), id) })
	}
	for _, id := range []string{read, read, empty} {
		if err := drop(id); err != nil {
			t.Error(err)
		}
	}
	if err := drop(ids.New()); !errs.Is(err, errs.NotFound) {
		t.Errorf("dropping nothing: %v", err)
	}
	if got := text(read); got != "0123" {
		t.Errorf("after the copy is dropped, %q is read", got)
	}
}

// The cache shrinks to its limit, what was used longest ago going first; what
// just fits stays, and what is only queued is not in the way.
func TestPrune(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		sizes string // the oldest first; a dash: queued
		want  string
	}{
		{"4 3 3", "0 0"}, {"4 3 4", "1 4"}, {"5 - 6", "1 5"}, {"1 11", "2 12"}, {"- 11", "1 11"}, {"2 9 1", "1 2"}, {"", "0 0"}, {"1 1 10 2", "3 12"},
	} {
		w := newWorldWith(t, func(c *image.Config) { c.CacheSize = 10 })
		w.write(t, func(ctx context.Context, tx *store.Tx, tables image.Tables) error {
			for i, size := range strings.Fields(tc.sizes) {
				e := image.CacheEntry{ImageID: ids.New(), Node: "kumoi", Cached: size != "-", LastAccessed: time.Unix(int64(1000+i), 0)}
				_, _ = fmt.Sscan(size, &e.Size)
				if err := tables.Cache.Insert(ctx, tx, &e); err != nil {
					return err
				}
			}
			return nil
		})
		files, size, err := w.svc.Cache.Prune(asAdmin(t.Context()))
		if got := fmt.Sprint(files, " ", size); err != nil || got != tc.want {
			t.Errorf("of %q it drops %s, %v, want %s", tc.sizes, got, err, tc.want)
		}
	}
	w := newWorldWith(t, func(c *image.Config) { c.CacheSize = 0 })
	w.write(t, func(ctx context.Context, tx *store.Tx, tables image.Tables) error {
		for _, e := range []image.CacheEntry{{ImageID: "a", Cached: true, Size: 1}, {ImageID: "b", Cached: true, Size: 1}, {ImageID: "c"}, {ImageID: "d"}} {
			e.Node = "kumoi"
			if err := tables.Cache.Insert(ctx, tx, &e); err != nil {
				return err
			}
		}
		return nil
	})
	for _, half := range []bool{true, false} {
		if err := storetest.Failing(t, func(ctx context.Context) error {
			_, err := w.svc.Cache.Clear(asAdmin(ctx), half, !half)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for _, e := range rows(t, w, sqlstore.Tables().Cache) {
			if e.Cached == half {
				t.Errorf("left is %+v", e)
			}
		}
	}
	if err := storetest.Failing(t, func(ctx context.Context) error {
		_, _, err := w.svc.Cache.Prune(asAdmin(ctx))
		return err
	}); err != nil {
		t.Error(err)
	}
}

package volume_test

import (
	"context"
	"encoding/json"
	"testing"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/saga/sagatest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/volume"
	"kumoi/internal/volume/sqlstore"
	"kumoi/internal/volume/volumetest"
)

// world is a service whose sagas only the harness runs.
type world struct {
	*volumetest.Cloud
	ctx context.Context
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Cloud: volumetest.Assemble(t, storetest.SQLite(t))}
	w.ctx = actor.With(t.Context(), &actor.Actor{UserID: "u", ProjectID: "p", Roles: []string{"admin", "member", "reader"}})
	return w
}

// volume makes a volume and runs its saga.
func (w *world) volume(t *testing.T, n volume.NewVolume) string {
	t.Helper()
	n.SizeGiB = max(n.SizeGiB, 1)
	v, err := w.Svc.Volumes.Create(w.ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	w.runAll(t)
	return v.ID
}

// runAll runs the sagas that wait.
func (w *world) runAll(t *testing.T) {
	t.Helper()
	e := saga.NewEngine(w.DB, saga.Config{})
	for _, kind := range w.Svc.Kinds() {
		saga.Register(e, w.Svc.Saga(kind))
	}
	if err := e.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.WaitIdle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// env has the harness run the saga of a kind that waits.
func (w *world) env(t *testing.T, kind string, done, clean func(t *testing.T)) sagatest.Env[volume.Work] {
	t.Helper()
	list, err := w.Sagas.List(t.Context(), saga.Filter{Kind: kind, States: []saga.State{saga.Running}})
	if err != nil || len(list) != 1 {
		t.Fatalf("%d sagas of the kind %s wait: %v", len(list), kind, err)
	}
	var params volume.Work
	detail, err := w.Sagas.Show(t.Context(), list[0].ID)
	if err == nil {
		err = json.Unmarshal([]byte(detail.Events[0].Data), &params)
	}
	if err == nil {
		err = w.Sagas.Abandon(t.Context(), list[0].ID, "the test runs it itself")
	}
	if err != nil {
		t.Fatal(err)
	}
	return sagatest.Env[volume.Work]{
		DB: w.DB, Definition: w.Svc.Saga(kind), Resource: list[0].Resource, Params: params, Actor: actor.From(w.ctx),
		CheckDone: done, CheckClean: clean,
	}
}

// is looks at a volume's status; "" is that there is none.
func (w *world) is(id, want string) func(t *testing.T) {
	return func(t *testing.T) {
		t.Helper()
		v, err := w.row(t, id)
		got := ""
		if err == nil {
			got = v.Status
		} else if !errs.Is(err, errs.NotFound) {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("the volume is %q, want %q", got, want)
		}
	}
}

func (w *world) row(t *testing.T, id string) (v *volume.Volume, err error) {
	t.Helper()
	err = w.DB.Read(t.Context(), func(tx *store.Tx) (err error) {
		v, err = sqlstore.Tables().Volumes.Get(t.Context(), tx, id)
		return err
	})
	return v, err
}

// stored tells whether the backend has the volume.
func (w *world) stored(t *testing.T, id string) bool {
	t.Helper()
	list, err := w.Hosts.Volumes("host").ManageableVolumes(t.Context(), "fake")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if m.Volume == id {
			return true
		}
	}
	return false
}

func both(checks ...func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) {
		t.Helper()
		for _, c := range checks {
			c(t)
		}
	}
}

func (w *world) holds(id string, want bool) func(t *testing.T) {
	return func(t *testing.T) {
		t.Helper()
		if w.stored(t, id) != want {
			t.Errorf("the backend has the volume: %v, want %v", !want, want)
		}
	}
}

func TestCreateSaga(t *testing.T) {
	t.Parallel()
	sagatest.Run(t, func(t *testing.T) sagatest.Env[volume.Work] {
		w := newWorld(t)
		v, err := w.Svc.Volumes.Create(w.ctx, volume.NewVolume{SizeGiB: 1})
		if err != nil {
			t.Fatal(err)
		}
		return w.env(t, "volume.create", both(w.is(v.ID, volume.Available), w.holds(v.ID, true)), both(w.is(v.ID, volume.Error), w.holds(v.ID, false)))
	})
}

func TestDeleteSaga(t *testing.T) {
	t.Parallel()
	sagatest.Run(t, func(t *testing.T) sagatest.Env[volume.Work] {
		w := newWorld(t)
		id := w.volume(t, volume.NewVolume{})
		if err := w.Svc.Volumes.Delete(w.ctx, id, true, false); err != nil {
			t.Fatal(err)
		}
		return w.env(t, "volume.delete", both(w.is(id, ""), w.holds(id, false)), w.is(id, volume.ErrorDeleting))
	})
}

// full is a host that has no room.
type full struct{ hostapi.VolumeHost }

func (full) CreateVolume(context.Context, *hostapi.VolumeCreate) (*hostapi.VolumeBytes, error) {
	return nil, errs.New(errs.NoCapacity, "The disk is full.")
}

// A backend that turns out to be full is left for another.
func TestAnotherBackendIsTried(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Hosts.Add("small")
	w.Hosts.Wrap = func(host string, h hostapi.VolumeHost) hostapi.VolumeHost {
		if host == "host" {
			return full{h}
		}
		return h
	}
	id := w.volume(t, volume.NewVolume{})
	v, err := w.row(t, id)
	if err != nil || v.Status != volume.Available || v.Host != "small@fake#fake" {
		t.Errorf("the volume is %+v: %v", v, err)
	}
}

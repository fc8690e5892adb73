package compute_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"kumoi/internal/compute"
	"kumoi/internal/compute/computetest"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/saga/sagatest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// world is a cloud with one server in it whose saga has not begun.
type world struct {
	t        *testing.T
	c        *computetest.Cloud
	ctx      context.Context
	net      string // the server's network
	id       string
	resource string // of the sagas; the server's id, mostly
}

// newWorld makes a server as the request leaves it: rows, ports, and a saga
// that nobody runs. prepare is what was done to the server before.
func newWorld(t *testing.T, hosts ...string) *world {
	t.Helper()
	c := computetest.New(t, storetest.SQLite(t), false, hosts)
	w := &world{t: t, c: c, ctx: actor.With(t.Context(), computetest.Actor("p", ""))}
	p := c.Client(t, "p")
	p.Flavor("small", object{"OS-FLV-EXT-DATA:ephemeral": 2, "swap": 64})
	net, err := c.MakeNetwork(t.Context(), "p", "blue", "10.1.0.0/24")
	if err != nil {
		t.Fatal(err)
	}
	w.net = net
	w.id = p.Server(object{"networks": []object{{"uuid": net}}})
	w.resource = w.id
	return w
}

// take returns the variables of the saga that waits for the server, and
// forgets the saga.
func take[S any](w *world) S {
	w.t.Helper()
	var j S
	list, err := w.c.Sagas.List(w.ctx, saga.Filter{Resource: w.resource, States: []saga.State{saga.Running}})
	if err != nil || len(list) != 1 {
		w.t.Fatalf("%d sagas wait for the server: %v", len(list), err)
	}
	d, err := w.c.Sagas.Show(w.ctx, list[0].ID)
	if err == nil {
		err = json.Unmarshal([]byte(d.Events[0].Data), &j)
	}
	if err == nil {
		err = w.c.Sagas.Abandon(w.ctx, list[0].ID, "the test runs it itself")
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return j
}

// ports lists the server's ports.
func (w *world) ports(t *testing.T) []any {
	t.Helper()
	return w.c.Client(t, "p").Must(200, "GET", "/v2.1/servers/"+w.id+"/os-interface", nil)["interfaceAttachments"].([]any)
}

// differs tells whether the guest is older than its server, so that the repair
// ensures it again.
func (w *world) differs(t *testing.T) bool {
	t.Helper()
	generation, err := w.c.Service.Generation(w.ctx, w.id)
	if err != nil {
		t.Fatal(err)
	}
	g := w.c.Agent("h1").Guest(w.id)
	return g == nil || g.Generation < generation
}

// build runs the server's creation to its end.
func (w *world) build() {
	w.t.Helper()
	finish(w, w.c.Service.CreateSaga())
	if s := w.server(); s["status"] != "ACTIVE" {
		w.t.Fatalf("server: %v", s)
	}
}

// finish runs the waiting saga in an engine of its own.
func finish[S any](w *world, d saga.Definition[S]) {
	w.t.Helper()
	j := take[S](w)
	e := saga.NewEngine(w.c.DB, saga.Config{Owner: "prepare"})
	saga.Register(e, d)
	if err := e.Open(w.ctx); err != nil {
		w.t.Fatal(err)
	}
	defer e.Close()
	var id string
	err := w.c.DB.Write(w.ctx, func(tx *store.Tx) (err error) {
		id, err = e.Start(w.ctx, tx, d.Kind, w.id, &j)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if s, err := e.Wait(w.ctx, id); err != nil || s.State != saga.Done {
		w.t.Fatalf("saga %s: %v %v %v", d.Kind, s.State, s.Err, err)
	}
}

func (w *world) server() object {
	return w.c.Client(w.t, "p").Must(200, "GET", "/v2.1/servers/"+w.id, nil)["server"].(object)
}

func (w *world) usedVCPU(t *testing.T) (n int) {
	t.Helper()
	err := w.c.DB.Read(w.ctx, func(tx *store.Tx) error {
		m, err := w.c.Placement.Usage(w.ctx, tx)
		n = 0
		for _, u := range m {
			n += u.VCPU
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// status fails the test unless the server is so, with no task left.
func (w *world) status(t *testing.T, want string) object {
	t.Helper()
	s := w.server()
	if s["status"] != want || s["OS-EXT-STS:task_state"] != nil {
		t.Errorf("server is %v, task %v, fault %v; want %s", s["status"], s["OS-EXT-STS:task_state"], s["fault"], want)
	}
	return s
}

func envOf[S any](w *world, d saga.Definition[S]) sagatest.Env[S] {
	return sagatest.Env[S]{
		DB: w.c.DB, Definition: d, Resource: w.resource, Params: take[S](w), Actor: computetest.Actor("p", ""),
	}
}

func TestCreateSaga(t *testing.T) {
	sagatest.Run(t, func(t *testing.T) sagatest.Env[compute.Placing] {
		w := newWorld(t, "h1")
		env := envOf(w, w.c.Service.CreateSaga())
		env.CheckDone = func(t *testing.T) {
			s := w.status(t, "ACTIVE")
			if g := w.c.Agent("h1").Guest(w.id); g == nil || len(g.NICs) != 1 {
				t.Errorf("guest: %+v", g)
			}
			if len(s["addresses"].(object)) != 1 || w.usedVCPU(t) != 1 {
				t.Errorf("addresses %v, %d vCPUs claimed", s["addresses"], w.usedVCPU(t))
			}
		}
		env.CheckClean = func(t *testing.T) {
			s := w.status(t, "ERROR")
			if s["fault"] == nil || len(s["addresses"].(object)) != 0 {
				t.Errorf("fault %v, addresses %v", s["fault"], s["addresses"])
			}
			if w.c.Agent("h1").Guests() != 0 || w.usedVCPU(t) != 0 {
				t.Errorf("%d guests and %d vCPUs are left", w.c.Agent("h1").Guests(), w.usedVCPU(t))
			}
		}
		return env
	})
}

func TestDeleteSaga(t *testing.T) {
	sagatest.Run(t, func(t *testing.T) sagatest.Env[compute.Job] {
		w := newWorld(t, "h1")
		w.build()
		w.c.Client(t, "p").Must(204, "DELETE", "/v2.1/servers/"+w.id, nil)
		env := envOf(w, w.c.Service.DeleteSaga())
		env.CheckDone = func(t *testing.T) {
			w.c.Client(t, "p").Fails(404, "could not be found", "GET", "/v2.1/servers/"+w.id, nil)
			if w.c.Agent("h1").Guests() != 0 || w.usedVCPU(t) != 0 {
				t.Error("something is left")
			}
		}
		env.CheckClean = func(t *testing.T) { w.status(t, "ERROR") }
		return env
	})
}

func TestPowerSaga(t *testing.T) {
	sagatest.Run(t, func(t *testing.T) sagatest.Env[compute.Powering] {
		w := newWorld(t, "h1")
		w.build()
		w.c.Client(t, "p").Action(202, w.id, "os-stop", nil)
		env := envOf(w, w.c.Service.PowerSaga())
		env.CheckDone = func(t *testing.T) {
			w.status(t, "SHUTOFF")
			if w.c.Agent("h1").Guest(w.id).Power != hostapi.PowerStopped {
				t.Error("the guest runs")
			}
		}
		env.CheckClean = func(t *testing.T) { w.status(t, "ACTIVE") }
		return env
	})
}

func TestResizeSaga(t *testing.T) {
	sagatest.Run(t, func(t *testing.T) sagatest.Env[compute.Moving] {
		w := newWorld(t, "h1", "h2")
		w.build()
		p := w.c.Client(t, "p")
		p.As("ops:admin").Action(202, w.id, "migrate", nil)
		at := func() *computetest.Agent {
			if w.c.Agent("h1").Guest(w.id) != nil {
				return w.c.Agent("h1")
			}
			return w.c.Agent("h2")
		}
		old := at()
		env := envOf(w, w.c.Service.ResizeSaga())
		env.CheckDone = func(t *testing.T) {
			w.status(t, "VERIFY_RESIZE")
			for _, a := range []*computetest.Agent{w.c.Agent("h1"), w.c.Agent("h2")} {
				g := a.Guest(w.id)
				want := hostapi.PowerRunning
				if a == old {
					want = hostapi.PowerStopped
				}
				if g == nil || g.Power != want || a != old && w.content(t, g) != "disk 0 disk 1" {
					t.Errorf("on %s: %+v with %q, want it %s", a.Name, g, w.content(t, g), want)
				}
			}
			if w.usedVCPU(t) != 2 || w.c.Images.Count() != 1 {
				t.Errorf("%d vCPUs claimed, %d images", w.usedVCPU(t), w.c.Images.Count())
			}
		}
		env.CheckClean = func(t *testing.T) {
			w.status(t, "ACTIVE")
			if g := old.Guest(w.id); g == nil || g.Power != hostapi.PowerRunning {
				t.Errorf("on the old host: %+v", g)
			}
			if w.usedVCPU(t) != 1 || w.c.Images.Count() != 1 || w.c.Agent("h1").Guests()+w.c.Agent("h2").Guests() != 1 {
				t.Errorf("%d vCPUs, %d images are left", w.usedVCPU(t), w.c.Images.Count())
			}
		}
		return env
	})
}

// content is what the guest's disks were made from.
func (w *world) content(t *testing.T, g *hostapi.ServerSpec) string {
	t.Helper()
	read := func(image string) string {
		data, err := w.c.Images.ReadImage(w.ctx, image, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	all := []string{read(g.Root.ImageID)}
	for _, d := range g.Ephemeral {
		if d.From != nil {
			all = append(all, read(d.From.ImageID))
		}
	}
	return strings.Join(all, " ")
}

func TestShelveSaga(t *testing.T) {
	sagatest.Run(t, func(t *testing.T) sagatest.Env[compute.Shelving] {
		w := newWorld(t, "h1")
		w.build()
		w.c.Client(t, "p").Action(202, w.id, "shelve", nil)
		env := envOf(w, w.c.Service.ShelveSaga())
		env.CheckDone = func(t *testing.T) {
			w.status(t, "SHELVED_OFFLOADED")
			if w.c.Agent("h1").Guests() != 0 || w.usedVCPU(t) != 0 || w.c.Images.Count() != 2 {
				t.Error("the host is not free, or the image is not there")
			}
		}
		return env
	})
}

func TestSnapshotSaga(t *testing.T) {
	sagatest.Run(t, func(t *testing.T) sagatest.Env[compute.Snapshotting] {
		w := newWorld(t, "h1")
		w.build()
		w.c.Client(t, "p").Action(202, w.id, "createBackup", object{"name": "snap", "backup_type": "daily", "rotation": 1})
		env := envOf(w, w.c.Service.SnapshotSaga())
		env.CheckDone = func(t *testing.T) {
			w.status(t, "ACTIVE")
			if w.c.Images.Count() != 2 {
				t.Errorf("%d images", w.c.Images.Count())
			}
		}
		env.CheckClean = func(t *testing.T) {
			w.status(t, "ACTIVE")
			if w.c.Images.Count() != 1 {
				t.Errorf("%d images are left", w.c.Images.Count())
			}
		}
		return env
	})
}

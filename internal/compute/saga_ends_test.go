package compute_test

import (
	"testing"

	"kumoi/internal/compute"
	"kumoi/internal/compute/computetest"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/saga/sagatest"
)

// resized is a world with a server that waits for the word on its move, and
// the hosts that it was moved from and to.
func resized(t *testing.T) (w *world, old, new *computetest.Agent) {
	t.Helper()
	w = newWorld(t, "h1", "h2")
	w.build()
	old, new = w.c.Agent("h1"), w.c.Agent("h2")
	if new.Guest(w.id) != nil {
		old, new = new, old
	}
	w.c.Client(t, "p").As("ops:admin").Action(202, w.id, "migrate", nil)
	finish(w, w.c.Service.ResizeSaga())
	w.status(t, "VERIFY_RESIZE")
	return w, old, new
}

// only fails the test unless the server runs on this host and on no other, and
// holds what one server needs.
func (w *world) only(t *testing.T, on *computetest.Agent) {
	t.Helper()
	if g := on.Guest(w.id); g == nil || g.Power != hostapi.PowerRunning || len(g.NICs) != 1 {
		t.Errorf("on %s: %+v", on.Name, g)
	}
	if n := w.c.Agent("h1").Guests() + w.c.Agent("h2").Guests(); n != 1 || w.usedVCPU(t) != 1 {
		t.Errorf("%d guests, %d vCPUs claimed", n, w.usedVCPU(t))
	}
	if host := w.admin(t)["OS-EXT-SRV-ATTR:host"]; host != on.Name {
		t.Errorf("the server is said to be on %v, it is on %s", host, on.Name)
	}
}

// admin is the server as an administrator sees it.
func (w *world) admin(t *testing.T) object {
	t.Helper()
	return w.c.Client(t, "p:admin").Must(200, "GET", "/v2.1/servers/"+w.id, nil)["server"].(object)
}

func TestConfirmResizeSaga(t *testing.T) {
	sagatest.Run(t, func(t *testing.T) sagatest.Env[compute.Confirmation] {
		w, _, moved := resized(t)
		w.c.Client(t, "p").Action(204, w.id, "confirmResize", nil)
		env := envOf(w, w.c.Service.ConfirmSaga())
		env.CheckDone = func(t *testing.T) {
			w.status(t, "ACTIVE")
			w.only(t, moved)
		}
		env.CheckClean = func(t *testing.T) { // it waits for the next try
			w.status(t, "VERIFY_RESIZE")
			if moved.Guest(w.id) == nil || w.usedVCPU(t) != 2 {
				t.Errorf("guest %v, %d vCPUs claimed", moved.Guest(w.id), w.usedVCPU(t))
			}
		}
		return env
	})
}

func TestRevertResizeSaga(t *testing.T) {
	sagatest.Run(t, func(t *testing.T) sagatest.Env[compute.Reversal] {
		w, old, _ := resized(t)
		w.c.Client(t, "p").Action(202, w.id, "revertResize", nil)
		env := envOf(w, w.c.Service.RevertSaga())
		env.CheckDone = func(t *testing.T) {
			w.status(t, "ACTIVE")
			w.only(t, old)
		}
		env.CheckClean = func(t *testing.T) {
			if s := w.status(t, "ERROR"); s["fault"] == nil {
				t.Error("the server does not say why")
			}
		}
		return env
	})
}

func TestUnshelveSaga(t *testing.T) {
	sagatest.Run(t, func(t *testing.T) sagatest.Env[compute.Unshelving] {
		w := newWorld(t, "h1")
		w.build()
		p := w.c.Client(t, "p")
		p.Action(202, w.id, "shelve", nil)
		finish(w, w.c.Service.ShelveSaga())
		p.Action(202, w.id, "unshelve", nil)
		env := envOf(w, w.c.Service.UnshelveSaga())
		env.CheckDone = func(t *testing.T) {
			w.status(t, "ACTIVE")
			if g := w.c.Agent("h1").Guest(w.id); g == nil || g.Power != hostapi.PowerRunning || len(g.NICs) != 1 {
				t.Errorf("guest: %+v", g)
			}
			if w.usedVCPU(t) != 1 || w.c.Images.Count() != 1 {
				t.Errorf("%d vCPUs claimed, %d images", w.usedVCPU(t), w.c.Images.Count())
			}
		}
		env.CheckClean = func(t *testing.T) {
			w.status(t, "SHELVED_OFFLOADED")
			if w.c.Agent("h1").Guests() != 0 || w.usedVCPU(t) != 0 || w.c.Images.Count() != 2 {
				t.Errorf("%d guests, %d vCPUs, %d images", w.c.Agent("h1").Guests(), w.usedVCPU(t), w.c.Images.Count())
			}
		}
		return env
	})
}

func TestEvacuateSaga(t *testing.T) {
	sagatest.Run(t, func(t *testing.T) sagatest.Env[compute.Evacuation] {
		w := newWorld(t, "h1", "h2")
		w.build()
		dead, other := w.c.Agent("h1"), w.c.Agent("h2")
		if dead.Guest(w.id) == nil {
			dead, other = other, dead
		}
		p := w.c.Client(t, "p:admin")
		p.Must(200, "PUT", "/v2.1/os-services/"+w.serviceOf(t, dead.Name), object{"forced_down": true})
		dead.Lose(w.id)
		p.Action(200, w.id, "evacuate", object{})
		env := envOf(w, w.c.Service.EvacuateSaga())
		env.CheckDone = func(t *testing.T) {
			w.status(t, "ACTIVE")
			w.only(t, other)
		}
		env.CheckClean = func(t *testing.T) {
			if s := w.status(t, "ERROR"); s["fault"] == nil {
				t.Error("the server does not say why")
			}
		}
		return env
	})
}

// serviceOf finds the id of a host's compute service.
func (w *world) serviceOf(t *testing.T, host string) string {
	t.Helper()
	list := w.c.Client(t, "p:admin").Must(200, "GET", "/v2.1/os-services?binary=nova-compute&host="+host, nil)["services"].([]any)
	if len(list) != 1 {
		t.Fatalf("services of %s: %v", host, list)
	}
	return list[0].(object)["id"].(string)
}

func TestInterfaceSaga(t *testing.T) {
	for _, action := range []string{"attach", "detach"} {
		t.Run(action, func(t *testing.T) {
			sagatest.Run(t, func(t *testing.T) sagatest.Env[compute.Plugging] {
				w := newWorld(t, "h1")
				w.build()
				want, p := 2, w.c.Client(t, "p")
				if action == "attach" {
					p.Must(200, "POST", "/v2.1/servers/"+w.id+"/os-interface", object{"interfaceAttachment": object{"net_id": w.net}})
				} else {
					want = 0
					p.Must(202, "DELETE", "/v2.1/servers/"+w.id+"/os-interface/"+w.ports(t)[0].(object)["port_id"].(string), nil)
				}
				env := envOf(w, w.c.Service.InterfaceSaga())
				env.CheckDone = func(t *testing.T) {
					w.status(t, "ACTIVE")
					if g := w.c.Agent("h1").Guest(w.id); g == nil || len(g.NICs) != want || len(w.ports(t)) != want {
						t.Errorf("guest %+v, ports %v, want %d", g, w.ports(t), want)
					}
				}
				env.CheckClean = func(t *testing.T) { // as before the request, or after it; never in between
					w.status(t, "ACTIVE")
					if g := w.c.Agent("h1").Guest(w.id); g == nil || len(g.NICs) != len(w.ports(t)) && !w.differs(t) {
						t.Errorf("guest %+v, ports %v, and nothing repairs it", g, w.ports(t))
					}
				}
				return env
			})
		})
	}
}

func TestApplySaga(t *testing.T) {
	sagatest.Run(t, func(t *testing.T) sagatest.Env[compute.Job] {
		w := newWorld(t, "h1")
		w.build()
		w.c.Client(t, "p").Must(200, "POST", "/v2.1/servers/"+w.id+"/metadata", object{"metadata": object{"role": "web"}})
		w.resource = w.id + "/apply"
		env := envOf(w, w.c.Service.ApplySaga())
		env.CheckDone = func(t *testing.T) {
			w.status(t, "ACTIVE")
			if g := w.c.Agent("h1").Guest(w.id); g == nil || g.Metadata.Meta["role"] != "web" {
				t.Errorf("guest: %+v", g)
			}
		}
		env.CheckClean = func(t *testing.T) {
			w.status(t, "ACTIVE")
			if g := w.c.Agent("h1").Guest(w.id); g == nil || g.Metadata.Meta["role"] != "web" && !w.differs(t) {
				t.Errorf("guest %+v, and nothing repairs it", g)
			}
		}
		return env
	})
}

package compute_test

import (
	"testing"

	"kumoi/internal/compute"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/saga/sagatest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume"
	volumestore "kumoi/internal/volume/sqlstore"
)

// volume puts a volume into the world whose bytes are there.
func (w *world) volume() string {
	w.t.Helper()
	v := &volume.Volume{
		ID: ids.New(), ProjectID: "p", UserID: "u-p", Status: volume.Available, SizeGiB: 1, Host: "h1@fake#fake", AttachStatus: "detached",
	}
	ref := hostapi.VolumeRef{Backend: "fake", ID: v.ID}
	if _, err := w.c.Backends["h1"].CreateVolume(w.ctx, &hostapi.VolumeCreate{VolumeRef: ref, SizeGiB: 1}); err != nil {
		w.t.Fatal(err)
	}
	if err := w.c.DB.Write(w.ctx, func(tx *store.Tx) error { return volumestore.Tables().Volumes.Insert(w.ctx, tx, v) }); err != nil {
		w.t.Fatal(err)
	}
	return v.ID
}

// attach gives the world's server a volume, as it is after the saga.
func (w *world) attach(t *testing.T, vol string) {
	t.Helper()
	w.c.Client(t, "p").Must(200, "POST", "/v2.1/servers/"+w.id+"/os-volume_attachments", object{"volumeAttachment": object{"volumeId": vol}})
}

// agree fails the test unless the server, its guest and the volume agree on
// whether the server has the volume; a guest that is repaired counts.
func (w *world) agree(t *testing.T, vol string, has bool) {
	t.Helper()
	p := w.c.Client(t, "p")
	status, _, at := p.Do("GET", "/v2.1/servers/"+w.id+"/os-volume_attachments/"+vol, nil)
	v := w.c.VolumeClient(t, "p").Must(200, "GET", "/volumes/"+vol, nil)["volume"].(object)
	list := v["attachments"].([]any)
	guest := w.c.Agent("h1").Guest(w.id)
	if guest != nil && len(guest.Volumes) > 0 != has && !w.differs(t) {
		t.Errorf("the guest has %+v, and nothing repairs it", guest.Volumes)
	}
	if !has {
		if status != 404 || v["status"] != "available" || len(list) != 0 {
			t.Errorf("%d: the server has %v; the volume is %v with %v", status, at, v["status"], list)
		}
		return
	}
	shown := v["status"] == "reserved" // then Cinder shows no attachment
	if len(list) == 1 {
		shown = list[0].(object)["attachment_id"] == at["volumeAttachment"].(object)["attachment_id"]
	}
	if status != 200 || v["status"] == "available" || !shown {
		t.Errorf("%d: the server has %v; the volume is %v with %v", status, at, v["status"], list)
	}
}

func TestVolumeSaga(t *testing.T) {
	for _, action := range []string{"attach", "detach"} {
		t.Run(action, func(t *testing.T) {
			sagatest.Run(t, func(t *testing.T) sagatest.Env[compute.Attaching] {
				w := newWorld(t, "h1")
				w.build()
				vol := w.volume()
				w.attach(t, vol)
				if action == "detach" {
					finish(w, w.c.Service.VolumeSaga())
					w.c.Client(t, "p").Must(202, "DELETE", "/v2.1/servers/"+w.id+"/os-volume_attachments/"+vol, nil)
				}
				env := envOf(w, w.c.Service.VolumeSaga())
				env.CheckDone = func(t *testing.T) { w.status(t, "ACTIVE"); w.agree(t, vol, action == "attach") }
				env.CheckClean = func(t *testing.T) { w.status(t, "ACTIVE"); w.agree(t, vol, action == "detach") }
				return env
			})
		})
	}
}

// The volumes of a server that is built are its own when it is there, and
// nobody's when it is not.
func TestCreateSagaWithVolume(t *testing.T) {
	sagatest.Run(t, func(t *testing.T) sagatest.Env[compute.Placing] {
		w := newWorld(t, "h1")
		take[compute.Placing](w)
		vol := w.volume()
		w.id = w.c.Client(t, "p").Server(object{"block_device_mapping_v2": []object{toVolume("volume", object{"uuid": vol})}})
		w.resource = w.id
		env := envOf(w, w.c.Service.CreateSaga())
		env.CheckDone = func(t *testing.T) {
			w.status(t, "ACTIVE")
			w.agree(t, vol, true)
		}
		env.CheckClean = func(t *testing.T) {
			w.status(t, "ERROR")
			w.agree(t, vol, false)
		}
		return env
	})
}

func TestDeleteSagaWithVolume(t *testing.T) {
	sagatest.Run(t, func(t *testing.T) sagatest.Env[compute.Job] {
		w := newWorld(t, "h1")
		w.build()
		vol := w.volume()
		w.attach(t, vol)
		finish(w, w.c.Service.VolumeSaga())
		w.c.Client(t, "p").Must(204, "DELETE", "/v2.1/servers/"+w.id, nil)
		env := envOf(w, w.c.Service.DeleteSaga())
		env.CheckDone = func(t *testing.T) {
			v := w.c.VolumeClient(t, "p").Must(200, "GET", "/volumes/"+vol, nil)["volume"].(object)
			if v["status"] != "available" || len(v["attachments"].([]any)) != 0 {
				t.Errorf("volume: %v", v)
			}
		}
		env.CheckClean = func(t *testing.T) {
			w.status(t, "ERROR")
			w.agree(t, vol, true)
		}
		return env
	})
}

package api_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/volume"
	"kumoi/internal/volume/volumetest"
)

// A volume of a shared backend is served by the host of its client.
func TestSharedBackendsFollow(t *testing.T) {
	t.Parallel()
	var later atomic.Int64
	c := volumetest.New(t, func(d *volume.Deps) {
		d.Clock = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	})
	c.Hosts.Share("host-b", "host")
	c.Hosts.Share("host-c", "host")
	alice, service, admin := c.As("alice"), c.As("service"), c.As("admin")
	id := c.Volume("alice", "size", 1)
	attach := func(host string) string {
		t.Helper()
		one := "/attachments/" + service.Want(200, "POST", "/attachments", object{"attachment": object{"volume_uuid": id, "instance_uuid": server}}).Text("attachment.id")
		service.Want(200, "PUT", one, object{"attachment": object{"connector": object{"host": host, "mountpoint": "/dev/vdb"}}})
		return one
	}
	place := func(want string) {
		t.Helper()
		if got := admin.Want(200, "GET", "/volumes/"+id, nil).Text("volume.os-vol-host-attr:host"); got != want+"@fake#fake" {
			t.Errorf("the volume is at %s, want %s", got, want)
		}
	}
	first := attach("host-b")
	place("host-b")
	service.Want(200, "DELETE", first, nil)
	second := attach("host-c")
	place("host-c")
	// host-c dies; when it is taken to be down, another host has the volume.
	c.Hosts.Wrap = func(host string, h hostapi.VolumeHost) hostapi.VolumeHost {
		if host == "host-c" {
			return dead{h}
		}
		return h
	}
	service.Want(503, "DELETE", second, nil)
	alice.Want(200, "GET", "/volumes/"+id, nil)
	later.Store(int64(2 * hostapi.DownAfter))
	c.Hosts.Lose("host-c")
	service.Want(200, "DELETE", second, nil)
	attach("host-b")
	place("host-b")
}

// dead is a host that lets no client out.
type dead struct{ hostapi.VolumeHost }

func (dead) UnexportVolume(_ context.Context, _ hostapi.VolumeRef, _ string) error {
	return errs.New(errs.Unavailable, "The host does not answer.")
}

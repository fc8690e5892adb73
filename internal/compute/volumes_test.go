package compute_test

import (
	"fmt"
	"testing"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/compute/computetest"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/kernel/waittest"
)

// toVolume is a block device with a volume behind it.
func toVolume(source string, changes object) object {
	out := object{"source_type": source, "destination_type": "volume", "boot_index": -1}
	for k, v := range changes {
		out[k] = v
	}
	return out
}

// attached are the volumes that the server's view names.
func attached(s object) []string {
	var out []string
	for _, v := range s["os-extended-volumes:volumes_attached"].([]any) {
		out = append(out, v.(object)["id"].(string))
	}
	return out
}

// A volume is attached, seen from both sides, kept over a stop and a start, and
// detached again.
func TestAttachVolume(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		v := c.VolumeClient(t, "p")
		server, vol := p.Server(nil), v.Create(nil)
		p.Wait(server, "ACTIVE")
		path := "/v2.1/servers/" + server + "/os-volume_attachments"
		got := p.Must(200, "POST", path, object{"volumeAttachment": object{"volumeId": vol, "tag": "data"}})["volumeAttachment"].(object)
		if got["volumeId"] != vol || got["serverId"] != server || got["device"] != "/dev/vdb" || got["tag"] != "data" || got["delete_on_termination"] != false {
			t.Errorf("attached: %v", got)
		}
		seen := v.Wait(vol, "in-use")["attachments"].([]any)[0].(object)
		at := p.Must(200, "GET", path+"/"+vol, nil)["volumeAttachment"].(object)
		if seen["server_id"] != server || seen["device"] != "/dev/vdb" || seen["attachment_id"] != at["attachment_id"] || at["bdm_uuid"] == nil || at["id"] != nil {
			t.Errorf("the volume says %v, the server %v", seen, at)
		}
		guest := c.Agent("h1").Guest(server)
		if len(guest.Volumes) != 1 || guest.Volumes[0].ID != vol || guest.Volumes[0].Device != "vdb" || guest.Volumes[0].Tag != "data" ||
			guest.Volumes[0].Connection.Export == "" || guest.Volumes[0].AttachmentID != at["attachment_id"] || guest.Volumes[0].SizeGiB != 1 {
			t.Errorf("the guest has %+v", guest.Volumes)
		}
		if s := p.Must(200, "GET", "/v2.1/servers/"+server, nil)["server"].(object); fmt.Sprint(attached(s)) != fmt.Sprint([]string{vol}) {
			t.Errorf("the server shows %v", attached(s))
		}
		p.Fails(400, "already attached", "POST", path, object{"volumeAttachment": object{"volumeId": vol}})
		for _, change := range []object{{"device": "/dev/vdz"}, {"tag": "other"}, {"id": server}} {
			change["volumeId"] = vol
			p.Fails(400, "cannot be changed", "PUT", path+"/"+vol, object{"volumeAttachment": change})
		}
		p.Must(202, "PUT", path+"/"+vol, object{"volumeAttachment": object{"volumeId": vol, "delete_on_termination": true}})
		if list := p.Must(200, "GET", path, nil)["volumeAttachments"].([]any); len(list) != 1 || list[0].(object)["delete_on_termination"] != true {
			t.Errorf("listed: %v", list)
		}
		if old := p.At("2.10").Must(200, "GET", path+"/"+vol, nil)["volumeAttachment"].(object); old["id"] != vol || old["tag"] != nil || len(old) != 4 {
			t.Errorf("in 2.10: %v", old)
		}
		p.Action(202, server, "os-stop", nil)
		p.Wait(server, "SHUTOFF")
		p.Action(202, server, "os-start", nil)
		p.Wait(server, "ACTIVE")
		v.Wait(vol, "in-use")
		p.Must(202, "DELETE", path+"/"+vol, nil)
		v.Wait(vol, "available")
		if g := c.Agent("h1").Guest(server); len(g.Volumes) != 0 {
			t.Errorf("the guest still has %+v", g.Volumes)
		}
		p.Fails(404, "not attached", "DELETE", path+"/"+vol, nil)
		p.Fails(404, "not attached", "GET", path+"/"+vol, nil)
	})
}

// What belongs to others is as unknown as what is not there.
func TestVolumesOfOthers(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		others := c.VolumeClient(t, "q").Create(nil)
		const nobodys = "99999999-0000-4000-8000-000000000009"
		server := p.Server(nil)
		p.Wait(server, "ACTIVE")
		for _, vol := range []string{others, nobodys} {
			p.Fails(404, "Volume "+vol+" could not be found", "POST", "/v2.1/servers/"+server+"/os-volume_attachments", object{"volumeAttachment": object{"volumeId": vol}})
			p.Fails(400, "failed to get volume "+vol, "POST", "/v2.1/servers", object{"server": object{
				"name": "s", "flavorRef": "small", "networks": "none", "block_device_mapping_v2": []object{toVolume("volume", object{"uuid": vol, "boot_index": 0})},
			}})
			p.Fails(400, "failed to get snapshot "+vol, "POST", "/v2.1/servers", object{"server": object{
				"name": "s", "flavorRef": "small", "networks": "none", "block_device_mapping_v2": []object{toVolume("snapshot", object{"uuid": vol, "boot_index": 0})},
			}})
		}
	})
}

// A server boots from a new volume made from an image, has another that was
// there and a blank one; those that it was ordered to take along end with it.
func TestBootFromVolume(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		p.Flavor("nodisk", object{"disk": 0})
		v := c.VolumeClient(t, "p")
		data := v.Create(nil)
		server := p.Server(object{"imageRef": "", "flavorRef": "nodisk", "block_device_mapping_v2": []object{
			toVolume("image", object{"uuid": computetest.Image, "boot_index": 0, "volume_size": 1, "delete_on_termination": true}),
			toVolume("volume", object{"uuid": data}),
			toVolume("blank", object{"volume_size": 2, "tag": "blank"}),
		}})
		s := p.Wait(server, "ACTIVE")
		vols := attached(s)
		if len(vols) != 3 || vols[1] != data || s["image"] != "" {
			t.Fatalf("server: volumes %v, image %v", vols, s["image"])
		}
		guest := c.Agent("h1").Guest(server)
		if guest.Root.ImageID != "" || len(guest.Volumes) != 3 || !guest.Volumes[0].Boot || guest.Volumes[0].Device != "vda" || guest.Volumes[2].Device != "vdc" {
			t.Errorf("guest: %+v %+v", guest.Root, guest.Volumes)
		}
		for _, id := range vols {
			v.Wait(id, "in-use")
		}
		p.Fails(400, "root device volume", "DELETE", "/v2.1/servers/"+server+"/os-volume_attachments/"+vols[0], nil)
		p.Must(204, "DELETE", "/v2.1/servers/"+server, nil)
		p.WaitGone(server)
		v.WaitGone(vols[0])
		v.Wait(vols[1], "available")
		v.Wait(vols[2], "available")
		// Whoever names an image as well says that the volume boots.
		named := p.Server(object{"flavorRef": "nodisk", "block_device_mapping_v2": []object{toVolume("volume", object{"uuid": data, "boot_index": 0})}})
		p.Wait(named, "ACTIVE")
		if guest := c.Agent("h1").Guest(named); len(guest.Volumes) != 1 || !guest.Volumes[0].Boot || guest.Root.ImageID != "" {
			t.Errorf("guest: %+v %+v", guest.Root, guest.Volumes)
		}
	})
}

// A server whose volume cannot be made is in ERROR and says why; nothing is held.
func TestVolumeNotMade(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		v := c.VolumeClient(t, "p")
		data := v.Create(nil)
		c.Backends["h1"].Fail(hostapi.VerbVolumeCreate, errs.New(errs.Invalid, "the disk is on fire"))
		server := p.Server(object{"block_device_mapping_v2": []object{
			toVolume("volume", object{"uuid": data}), toVolume("blank", object{"volume_size": 1, "delete_on_termination": true}),
		}})
		s := p.Wait(server, "ERROR")
		if len(attached(s)) != 0 || s["fault"] == nil {
			t.Errorf("server: %v, fault %v", attached(s), s["fault"])
		}
		v.Wait(data, "available")
		waittest.Until(t, 20*time.Second, func() error {
			if list := v.Must(200, "GET", "/volumes", nil)["volumes"].([]any); len(list) != 1 {
				return fmt.Errorf("%d volumes are left", len(list))
			}
			return nil
		})
		p.Must(204, "DELETE", "/v2.1/servers/"+server, nil)
		p.WaitGone(server)
	})
}

// A server whose volumes cannot be disconnected does not go: it says why, and
// goes when it is deleted again.
func TestDeleteWithoutVolumeService(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		v := c.VolumeClient(t, "p")
		data := v.Create(nil)
		server := p.Server(object{"block_device_mapping_v2": []object{toVolume("volume", object{"uuid": data})}})
		p.Wait(server, "ACTIVE")
		c.Backends["h1"].Fail(hostapi.VerbVolumeUnexport, errs.New(errs.Conflict, "somebody holds it"))
		p.Must(204, "DELETE", "/v2.1/servers/"+server, nil)
		if s := p.Wait(server, "ERROR"); s["fault"].(object)["message"] != "Could not disconnect volume "+data+" for host h1: somebody holds it" {
			t.Errorf("fault: %v", s["fault"])
		}
		v.Wait(data, "in-use")
		c.Backends["h1"].Fail(hostapi.VerbVolumeUnexport, nil)
		p.Must(204, "DELETE", "/v2.1/servers/"+server, nil)
		p.WaitGone(server)
		v.Wait(data, "available")
	})
}

// Volumes follow their server to another host and back, and stay its own while
// it is shelved.
func TestVolumesMove(t *testing.T) {
	c := computetest.New(t, storetest.SQLite(t), true, []string{"h1", "h2"})
	p, v := c.Client(t, "p"), c.VolumeClient(t, "p")
	p.Flavor("small", nil)
	server := p.Server(object{"imageRef": "", "block_device_mapping_v2": []object{
		toVolume("image", object{"uuid": computetest.Image, "boot_index": 0, "volume_size": 1}), toVolume("blank", object{"volume_size": 1}),
	}})
	vols := attached(p.Wait(server, "ACTIVE"))
	admin := p.As("p:admin")
	host := func() string {
		return admin.Must(200, "GET", "/v2.1/servers/"+server, nil)["server"].(object)["OS-EXT-SRV-ATTR:host"].(string)
	}
	from := host()
	admin.Action(202, server, "migrate", nil)
	p.Wait(server, "VERIFY_RESIZE")
	to := host()
	if g := c.Agent(to).Guest(server); to == from || len(g.Volumes) != 2 || g.Volumes[0].ID != vols[0] || g.Volumes[1].ID != vols[1] {
		t.Fatalf("moved from %s to %s with %+v", from, to, g.Volumes)
	}
	if n := c.Images.Count(); n != 1 {
		t.Errorf("%d images, though no disk had to be carried", n)
	}
	p.Action(202, server, "revertResize", nil)
	p.Wait(server, "ACTIVE")
	v.Wait(vols[0], "in-use")
	if host() != from {
		t.Error("it is not back")
	}
	p.Action(202, server, "shelve", nil)
	p.Wait(server, "SHELVED_OFFLOADED")
	v.Wait(vols[0], "reserved")
	more := v.Create(nil)
	path := "/v2.1/servers/" + server + "/os-volume_attachments"
	p.Must(200, "POST", path, object{"volumeAttachment": object{"volumeId": more}})
	v.Wait(more, "in-use") // though no host reaches it, as by Nova
	p.Must(202, "DELETE", path+"/"+vols[1], nil)
	v.Wait(vols[1], "available")
	p.Action(202, server, "unshelve", nil)
	p.Wait(server, "ACTIVE")
	v.Wait(vols[0], "in-use")
	v.Wait(more, "in-use")
	if g := c.Agent(host()).Guest(server); len(g.Volumes) != 2 || g.Volumes[1].ID != more {
		t.Errorf("after unshelving: %+v", g.Volumes)
	}
}

// An image of a server that boots from a volume names snapshots of its volumes,
// and the next server gets its own from them.
func TestImageOfVolumes(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		v := c.VolumeClient(t, "p")
		server := p.Server(object{"imageRef": "", "block_device_mapping_v2": []object{
			toVolume("image", object{"uuid": computetest.Image, "boot_index": 0, "volume_size": 1}), toVolume("blank", object{"volume_size": 2}),
		}})
		p.Wait(server, "ACTIVE")
		image := p.Action(202, server, "createImage", object{"name": "both", "metadata": object{"block_device_mapping": "mine"}})["image_id"].(string)
		p.Wait(server, "ACTIVE")
		if list := v.Must(200, "GET", "/snapshots", nil)["snapshots"].([]any); len(list) != 2 {
			t.Errorf("snapshots: %v", list)
		}
		p.Fails(400, "not supported for volume-backed", "POST", "/v2.1/servers/"+server+"/action", object{"createBackup": object{"name": "b", "backup_type": "daily", "rotation": 1}})
		p.At("2.92").Fails(400, "different image", "POST", "/v2.1/servers/"+server+"/action", object{"rebuild": object{"imageRef": image}})
		p.At("2.92").Action(202, server, "rebuild", object{"imageRef": computetest.Image})
		p.Wait(server, "ACTIVE")
		p.Fails(400, "does not write over", "POST", "/v2.1/servers/"+server+"/action", object{"rebuild": object{"imageRef": computetest.Image}})
		p.At("2.86").Fails(400, "volume-backed", "POST", "/v2.1/servers/"+server+"/action", object{"rescue": object{"rescue_image_ref": computetest.Image}})
		next := p.Server(object{"imageRef": image})
		s := p.Wait(next, "ACTIVE")
		if len(attached(s)) != 2 || s["image"] != "" {
			t.Fatalf("the next server: %v, image %v", attached(s), s["image"])
		}
		if size := v.Wait(attached(s)[1], "in-use")["size"]; size != 2.0 {
			t.Errorf("the second volume has %v GiB", size)
		}
	})
}

// Clients of before 2.36 see volumes and snapshots as compute's own.
func TestOldVolumes(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		v, old := c.VolumeClient(t, "p"), p.At("2.1")
		id := old.Must(200, "POST", "/v2.1/os-volumes", object{"volume": object{"size": 1, "display_name": "one", "metadata": object{"k": "v"}}})["volume"].(object)["id"].(string)
		v.Wait(id, "available")
		one := old.Must(200, "GET", "/v2.1/os-volumes/"+id, nil)["volume"].(object)
		if one["displayName"] != "one" || one["size"] != 1.0 || one["metadata"].(object)["k"] != "v" || len(one["attachments"].([]any)[0].(object)) != 0 {
			t.Errorf("volume: %v", one)
		}
		if list := old.Must(200, "GET", "/v2.1/os-volumes/detail?limit=1", nil)["volumes"].([]any); len(list) != 1 {
			t.Errorf("volumes: %v", list)
		}
		old.As("q").Fails(404, "could not be found", "GET", "/v2.1/os-volumes/"+id, nil)
		snap := old.Must(200, "POST", "/v2.1/os-snapshots", object{"snapshot": object{"volume_id": id, "display_name": "s"}})["snapshot"].(object)["id"].(string)
		if list := old.Must(200, "GET", "/v2.1/os-snapshots", nil)["snapshots"].([]any); len(list) != 1 || list[0].(object)["volumeId"] != id {
			t.Errorf("snapshots: %v", list)
		}
		waittest.Until(t, 20*time.Second, func() error {
			if one := old.Must(200, "GET", "/v2.1/os-snapshots/"+snap, nil)["snapshot"].(object); one["status"] != "available" {
				return fmt.Errorf("snapshot: %v", one)
			}
			return nil
		})
		old.Must(202, "DELETE", "/v2.1/os-snapshots/"+snap, nil)
		waittest.Until(t, 20*time.Second, func() error {
			if status, _, out := old.Do("DELETE", "/v2.1/os-volumes/"+id, nil); status != 202 {
				return fmt.Errorf("%d %v", status, out)
			}
			return nil
		})
		v.WaitGone(id)
	})
}

func TestVolumeDevicesRefused(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		v := c.VolumeClient(t, "p")
		data := v.Create(nil)
		image := object{"uuid": computetest.Image, "boot_index": 0, "volume_size": 1}
		for _, tc := range []struct {
			devices []object
			want    string
		}{
			{[]object{toVolume("image", object{"uuid": computetest.Image, "boot_index": 0})}, "non-zero size"},
			{[]object{toVolume("image", image), toVolume("blank", nil)}, "non-zero size"},
			{[]object{toVolume("blank", object{"volume_size": 1, "boot_index": 0})}, "Boot sequence"},
			{[]object{toVolume("blank", object{"volume_size": 1})}, "Boot sequence"},
			{[]object{toVolume("image", image), toVolume("image", image)}, "Boot sequence"},
			{[]object{toVolume("image", image), toVolume("volume", object{"uuid": data, "boot_index": 2})}, "Boot sequence"},
			{[]object{toVolume("volume", object{"uuid": data, "boot_index": 0})}, "not bootable"},
			{[]object{toVolume("image", image), toVolume("volume", object{"uuid": data}), toVolume("volume", object{"uuid": data})}, "named twice"},
			{[]object{toVolume("volume", nil)}, "Missing device UUID"},
			{[]object{toVolume("blank", object{"uuid": data, "volume_size": 1})}, "Invalid device UUID"},
			{[]object{toVolume("image", image), toVolume("blank", object{"volume_size": 1, "guest_format": "ext4"})}, "guest_format"},
			{[]object{toVolume("image", image), toVolume("blank", object{"volume_size": 1, "disk_bus": "fdc"})}, "disk_bus"},
			{[]object{toVolume("image", image), toVolume("blank", object{"volume_size": 1, "volume_type": "none-such"})}, "none-such"},
			{[]object{toVolume("image", object{"uuid": data, "boot_index": 0, "volume_size": 1})}, "failed to get image"},
		} {
			p.At("2.67").Fails(400, tc.want, "POST", "/v2.1/servers", object{"server": object{
				"name": "s", "flavorRef": "small", "networks": "none", "block_device_mapping_v2": tc.devices,
			}})
		}
		p.Fails(400, "multiple instances", "POST", "/v2.1/servers", object{"server": object{
			"name": "s", "imageRef": computetest.Image, "flavorRef": "small", "networks": "none", "max_count": 2,
			"block_device_mapping_v2": []object{toVolume("volume", object{"uuid": data})},
		}})
		p.Fails(400, "different block_device_mapping syntaxes", "POST", "/v2.1/servers", object{"server": object{
			"name": "s", "imageRef": computetest.Image, "flavorRef": "small", "networks": "none",
			"block_device_mapping_v2": []object{toVolume("volume", object{"uuid": data})}, "block_device_mapping": []object{{"volume_id": data}},
		}})
		v.Wait(data, "available")
		if list := v.Must(200, "GET", "/volumes", nil)["volumes"].([]any); len(list) != 1 {
			t.Errorf("refused requests made volumes: %v", list)
		}
	})
}

// The old form of the list of devices does the same.
func TestLegacyDevices(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		data := c.VolumeClient(t, "p").Create(nil)
		server := p.Server(object{"block_device_mapping": []object{{"device_name": "/dev/vdc", "volume_id": data, "delete_on_termination": "1"}}})
		p.Wait(server, "ACTIVE")
		at := p.Must(200, "GET", "/v2.1/servers/"+server+"/os-volume_attachments/"+data, nil)["volumeAttachment"].(object)
		if at["device"] != "/dev/vdc" || at["delete_on_termination"] != true {
			t.Errorf("attached: %v", at)
		}
	})
}

// Without a volume service volumes are refused with the reason.
func TestNoVolumeService(t *testing.T) {
	c := computetest.New(t, storetest.SQLite(t), true, []string{"h1"}, func(d *compute.Deps) { d.Volumes = nil })
	p := c.Client(t, "p")
	p.Flavor("small", nil)
	server := p.Server(nil)
	p.Wait(server, "ACTIVE")
	const vol = "99999999-0000-4000-8000-000000000009"
	p.Fails(404, "could not be found", "POST", "/v2.1/servers/"+server+"/os-volume_attachments", object{"volumeAttachment": object{"volumeId": vol}})
	p.Fails(400, "no block storage", "POST", "/v2.1/servers", object{"server": object{
		"name": "s", "imageRef": computetest.Image, "flavorRef": "small", "networks": "none", "block_device_mapping_v2": []object{toVolume("volume", object{"uuid": vol})},
	}})
}

package compute_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/compute"
	"kumoi/internal/compute/computetest"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/store/storetest"
)

// local is a block device on the host.
func local(changes object) object {
	out := object{"source_type": "blank", "destination_type": "local", "boot_index": -1}
	for k, v := range changes {
		out[k] = v
	}
	return out
}

// A server has the local disks of its flavor, or those it is ordered with
// within them; they follow it through resize and rebuild.
func TestLocalDisks(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		p.Flavor("f1", object{"OS-FLV-EXT-DATA:ephemeral": 4, "swap": 64})
		p.Flavor("f2", object{"OS-FLV-EXT-DATA:ephemeral": 6, "swap": 128, "ram": 128})
		p.Flavor("less", object{"OS-FLV-EXT-DATA:ephemeral": 3, "ram": 128})
		host := c.Agent("h1")

		id := p.Server(object{"flavorRef": "f1"})
		p.Wait(id, "ACTIVE")
		g := host.Guest(id)
		if !slices.Equal(g.Ephemeral, []hostapi.LocalDisk{{SizeMiB: 4 << 10}}) || g.Swap == nil || *g.Swap != (hostapi.LocalDisk{SizeMiB: 64}) {
			t.Errorf("the flavor's disks: %+v %+v", g.Ephemeral, g.Swap)
		}
		p.Action(202, id, "resize", object{"flavorRef": "f2"})
		p.Wait(id, "VERIFY_RESIZE")
		if g = host.Guest(id); g.Ephemeral[0].SizeMiB != 6<<10 || g.Swap.SizeMiB != 128 {
			t.Errorf("after the resize: %+v %+v", g.Ephemeral, g.Swap)
		}
		p.Action(204, id, "confirmResize", nil)
		p.Wait(id, "ACTIVE")
		p.Fails(400, "smaller ephemeral", "POST", "/v2.1/servers/"+id+"/action", object{"resize": object{"flavorRef": "less"}})
		p.Action(202, id, "rebuild", object{"imageRef": computetest.Image})
		p.Wait(id, "ACTIVE")
		if g = host.Guest(id); g.Ephemeral[0].Rebuild != 1 {
			t.Errorf("a rebuild keeps the ephemeral disk: %+v", g.Ephemeral)
		}
		p.Action(202, id, "rebuild", object{"imageRef": computetest.Image, "preserve_ephemeral": true})
		p.Wait(id, "ACTIVE")
		if g = host.Guest(id); g.Ephemeral[0].Rebuild != 1 {
			t.Errorf("a rebuild that preserves it makes another: %+v", g.Ephemeral)
		}

		id = p.At("2.42").Server(object{"flavorRef": "f1", "networks": "none", "block_device_mapping_v2": []object{
			{"source_type": "image", "destination_type": "local", "uuid": computetest.Image, "boot_index": 0, "disk_bus": "scsi", "tag": "system"},
			local(object{"volume_size": 1, "guest_format": "vfat", "tag": "scratch"}), local(object{"volume_size": 3, "disk_bus": "sata"}),
		}})
		p.Wait(id, "ACTIVE")
		want := []hostapi.LocalDisk{{SizeMiB: 1 << 10, Format: "vfat", Tag: "scratch"}, {SizeMiB: 3 << 10, Bus: "sata"}}
		if g = host.Guest(id); !slices.Equal(g.Ephemeral, want) || g.Root.Bus != "scsi" || g.Root.Tag != "system" || g.Swap.SizeMiB != 64 {
			t.Errorf("ordered disks: %+v %+v %+v", g.Root, g.Ephemeral, g.Swap)
		}
		id = p.Server(object{"flavorRef": "f1", "block_device_mapping_v2": []object{local(object{"volume_size": 32, "guest_format": "swap"})}})
		p.Wait(id, "ACTIVE")
		if g = host.Guest(id); g.Swap.SizeMiB != 32 || len(g.Ephemeral) != 1 {
			t.Errorf("ordered swap: %+v %+v", g.Swap, g.Ephemeral)
		}
	})
}

// Disks of every kind follow a server to another host: each ephemeral disk by an
// image of its own, swap anew. Until they have arrived the host is not told of
// the server by anybody else, and afterwards no image is left.
func TestLocalDisksMove(t *testing.T) {
	c := computetest.New(t, storetest.SQLite(t), true, []string{"h1", "h2"})
	p := c.Client(t, "p")
	p.Flavor("f1", object{"OS-FLV-EXT-DATA:ephemeral": 4, "swap": 64})
	p.Flavor("f2", object{"OS-FLV-EXT-DATA:ephemeral": 6, "swap": 128, "ram": 128})
	id := p.Server(object{"flavorRef": "f1", "block_device_mapping_v2": []object{
		local(object{"volume_size": 1, "tag": "a"}), local(object{"volume_size": 3, "tag": "b"}),
	}})
	p.Wait(id, "ACTIVE")
	from, to := c.Agent("h1"), c.Agent("h2")
	if from.Guest(id) == nil {
		from, to = to, from
	}
	admin := p.As("p:admin")
	arrive := to.Hold(hostapi.VerbEnsure)
	admin.Action(202, id, "migrate", nil)
	admin.WaitTask(id, "resize_finish")
	var told []hostapi.ServerSpec
	if err := c.Conn.Request(t.Context(), hostapi.ControlSubject(to.Name, hostapi.ControlSpecs), struct{}{}, &told); err != nil || len(told) != 0 {
		t.Errorf("the new host is told of %+v before the disks are there, %v", told, err)
	}
	arrive()
	p.Wait(id, "VERIFY_RESIZE")
	g := to.Guest(id)
	if len(g.Ephemeral) != 2 || g.Ephemeral[0].From == nil || g.Ephemeral[1].From == nil || g.Ephemeral[0].Tag != "a" || g.Swap == nil {
		t.Fatalf("moved disks: %+v %+v", g.Ephemeral, g.Swap)
	}
	for i, want := range []string{"disk 0", "disk 1", "disk 2"} {
		image := g.Root.ImageID
		if i > 0 {
			image = g.Ephemeral[i-1].From.ImageID
		}
		if data, err := c.Images.ReadImage(t.Context(), image, 0, 100); err != nil || string(data) != want {
			t.Errorf("disk %d was made from %q, %v; want %q", i, data, err, want)
		}
	}
	if n := c.Images.Count(); n != 1 {
		t.Errorf("%d images are left", n)
	}
	p.Action(204, id, "confirmResize", nil)
	p.Wait(id, "ACTIVE")
	p.Action(202, id, "resize", object{"flavorRef": "f2"}) // at home: nothing is carried
	p.Wait(id, "VERIFY_RESIZE")
	if g = to.Guest(id); g.Ephemeral[0].From != nil || g.Ephemeral[0].SizeMiB != 1<<10 {
		t.Errorf("after a resize at home: %+v", g.Ephemeral)
	}
}

func TestLocalDisksRefused(t *testing.T) {
	member(t, func(t *testing.T, _ *computetest.Cloud, p *computetest.Client) {
		p.Flavor("f1", object{"OS-FLV-EXT-DATA:ephemeral": 4, "swap": 64})
		swap := local(object{"guest_format": "swap"})
		for _, tc := range []struct {
			devices []object
			want    string
		}{
			{[]object{{"source_type": "image", "destination_type": "local", "uuid": computetest.Image, "boot_index": 0, "volume_size": 9}}, "volume_size 9"},
			{[]object{local(object{"volume_size": 5})}, "Ephemeral disks requested are larger"},
			{[]object{local(nil), local(object{"volume_size": 1})}, "Ephemeral disks requested are larger"},
			{[]object{local(object{"guest_format": "swap", "volume_size": 65})}, "Swap drive requested is larger"},
			{[]object{swap, swap}, "More than one swap"},
			{[]object{local(object{"volume_size": 1}), local(object{"volume_size": 1}), local(object{"volume_size": 1}), local(object{"volume_size": 1})}, "more local devices"},
			{[]object{local(object{"boot_index": 0})}, "Boot sequence"},
			{[]object{local(object{"uuid": computetest.Image})}, "Invalid device UUID"},
			{[]object{local(object{"guest_format": "reiserfs"})}, "guest_format"},
			{[]object{local(object{"disk_bus": "fdc"})}, "disk_bus"},
			{[]object{local(object{"device_type": "cdrom"})}, "device_type"},
			{[]object{local(object{"volume_type": "fast"})}, "volume_type"},
			{[]object{{"source_type": "image", "destination_type": "local", "uuid": computetest.Image, "boot_index": 1}}, "Mapping image to local"},
		} {
			p.At("2.67").Fails(400, tc.want, "POST", "/v2.1/servers", object{"server": object{
				"name": "s", "imageRef": computetest.Image, "flavorRef": "f1", "networks": "none", "block_device_mapping_v2": tc.devices,
			}})
		}
		p.Fails(400, "no ephemeral disk", "POST", "/v2.1/servers", object{"server": object{
			"name": "s", "imageRef": computetest.Image, "flavorRef": "small", "networks": "none", "block_device_mapping_v2": []object{local(nil)},
		}})
	})
}

// notHere are fields of the host's contract that the server of the next test
// does without, with the reason.
var notHere = map[string]string{
	"Volumes":              "TestBootFromVolume has a server with some",
	"Rescue.SizeGiB":       "a rescue disk is as large as its image",
	"Rescue.Bus":           "a rescue image is ordered without one",
	"Rescue.Tag":           "a rescue image is ordered without one",
	"Metadata.PublicIPs":   "it has no floating IP",
	"Metadata.LaunchIndex": "it is the first of its request",
	"NICs.Subnets.Routes":  "its subnet has none",
	"NICs.Subnets.DNS":     "its subnet has none",
	"NICs.Subnets.IPv6":    "its subnet is IPv4",
	"Swap.Rebuild":         "swap is made anew at any time",
	"Swap.Format":          "swap has no file system",
	"Swap.From":            "swap is made anew on every host",
	"Ephemeral.From":       "it has not moved; TestLocalDisksMove has one that did",
	"StopGrace":            "the cloud of the test gives none",
}

// TestEveryFieldIsProduced orders a server with all that can be ordered, and
// looks for what its host is not told of the contract: a field that the host
// knows and nobody fills is a promise that is not kept.
func TestEveryFieldIsProduced(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		net, err := c.MakeNetwork(t.Context(), "p", "blue", "10.1.0.0/24")
		if err != nil {
			t.Fatal(err)
		}
		const image = "33333333-0000-4000-8000-000000000003"
		c.Images.Put(&compute.Image{
			ID: image, Status: "active", Visibility: "public", Size: new(int64(1 << 20)), DiskFormat: "qcow2", ContainerFormat: "bare",
			HashAlgo: "sha512", HashValue: "ab", Properties: map[string]string{"hw_vif_model": "e1000"},
		})
		p.Flavor("f1", object{"OS-FLV-EXT-DATA:ephemeral": 4, "swap": 64})
		p.Must(201, "POST", "/v2.1/os-keypairs", object{"keypair": object{"name": "k"}})
		id := p.At("2.42").Server(object{
			"name": "all", "imageRef": image, "flavorRef": "f1", "networks": []object{{"uuid": net, "tag": "front"}}, "metadata": object{"a": "1"}, "user_data": "aGk=",
			"key_name": "k", "config_drive": true, "security_groups": []object{{"name": "default"}},
			"personality": []object{{"path": "/etc/motd", "contents": "aGk="}},
			"block_device_mapping_v2": []object{
				{"source_type": "image", "destination_type": "local", "uuid": image, "boot_index": 0, "disk_bus": "virtio", "tag": "system"},
				local(object{"volume_size": 1, "guest_format": "ext4", "tag": "scratch", "disk_bus": "scsi"}),
				local(object{"guest_format": "swap", "tag": "swap", "disk_bus": "scsi"}),
			},
		})
		p.Wait(id, "ACTIVE")
		p.Action(202, id, "rebuild", object{"imageRef": image})
		p.Wait(id, "ACTIVE")
		p.Action(202, id, "reboot", object{"type": "SOFT"})
		p.Wait(id, "ACTIVE")
		p.Action(200, id, "rescue", nil)
		p.Wait(id, "RESCUE")
		for _, field := range unset(reflect.ValueOf(*c.Agent("h1").Guest(id)), "") {
			if notHere[field] == "" {
				t.Errorf("nobody fills %s", field)
			}
		}
	})
}

// unset lists the fields below v that are zero.
func unset(v reflect.Value, path string) []string {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return unset(v.Elem(), path)
		}
	case reflect.Slice:
		if v.Len() > 0 && v.Type().Elem().Kind() == reflect.Struct {
			return unset(v.Index(0), path)
		}
	case reflect.Struct:
		if v.IsZero() || !strings.HasPrefix(v.Type().PkgPath(), "kumoi/") {
			break
		}
		var out []string
		for i := range v.NumField() {
			out = append(out, unset(v.Field(i), strings.TrimPrefix(path+"."+v.Type().Field(i).Name, "."))...)
		}
		return out
	}
	if v.IsZero() {
		return []string{path}
	}
	return nil
}

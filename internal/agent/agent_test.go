package agent_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

func TestNICsAndVolumesComeAndGo(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	h.ensure(spec)
	first := spec.NICs[0]
	second := first
	second.PortID, second.MAC, second.NetworkID = uuid.NewString(), "fa:16:3e:00:00:09", uuid.NewString()
	spec.Generation, spec.NICs = 2, []hostapi.NIC{first, second}
	spec.Volumes = []hostapi.Volume{{ID: "vol-1", AttachmentID: "att-1"}}
	h.ensure(spec)
	m, _ := h.hv.Machine(spec.ID)
	if len(m.NICs) != 2 || len(m.Disks) != 2 || m.Disks[1].Serial != "vol-1" || m.Disks[1].Device != "vdb" {
		t.Fatalf("the guest has %+v and %+v", m.NICs, m.Disks)
	}
	spec.Generation, spec.NICs, spec.Volumes = 3, []hostapi.NIC{second}, nil
	h.ensure(spec)
	m, _ = h.hv.Machine(spec.ID)
	if len(m.NICs) != 1 || m.NICs[0].PortID != second.PortID || len(m.Disks) != 1 {
		t.Fatalf("the guest has %+v and %+v", m.NICs, m.Disks)
	}
	if n, _ := h.vif.Networks(t.Context()); len(n) != 1 || n[0] != second.NetworkID {
		t.Errorf("metadata is served on %v", n)
	}
	if !h.vif.Unplugged(first.PortID) {
		t.Error("the first port was not unplugged")
	}
}

func TestRefusals(t *testing.T) {
	h := newFakeHost(t)
	backed := qcow2(1 << 20)
	binary.BigEndian.PutUint64(backed[8:], 512)
	binary.BigEndian.PutUint32(backed[16:], 11)
	copy(backed[512:], "/etc/passwd")
	h.images["backed"] = backed
	for name, tc := range map[string]struct {
		change func(*hostapi.ServerSpec)
		kind   errs.Kind
	}{
		"wrong checksum":     {func(s *hostapi.ServerSpec) { s.Root.SHA512 = strings.Repeat("0", 128) }, errs.Invalid},
		"no such image":      {func(s *hostapi.ServerSpec) { s.Root.ImageID = "nothing" }, errs.NotFound},
		"wrong format":       {func(s *hostapi.ServerSpec) { s.Root.DiskFormat = "raw" }, errs.Invalid},
		"backing file":       {func(s *hostapi.ServerSpec) { s.Root.ImageID, s.Root.SHA512 = "backed", "" }, errs.Invalid},
		"image ends early":   {func(s *hostapi.ServerSpec) { s.Root.ImageBytes *= 2 }, errs.Unavailable},
		"nothing to boot":    {func(s *hostapi.ServerSpec) { s.Root.ImageID = "" }, errs.Invalid},
		"impossible power":   {func(s *hostapi.ServerSpec) { s.Power = hostapi.PowerCrashed }, errs.Invalid},
		"id that is a path":  {func(s *hostapi.ServerSpec) { s.ID = "../x" }, errs.Invalid},
		"image that is path": {func(s *hostapi.ServerSpec) { s.Root.ImageID = "../x" }, errs.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			spec := h.spec()
			tc.change(spec)
			if _, err := h.client.EnsureServer(h.ctx(), "host-a", spec); !errs.Is(err, tc.kind) {
				t.Errorf("got %v (%v), want %v", err, errs.KindOf(err), tc.kind)
			}
			if err := h.client.RemoveServer(h.ctx(), "host-a", spec.ID, 0); err != nil && len(spec.ID) == 36 {
				t.Error(err)
			}
		})
	}
}

func TestMetadataKnowsGuestsByNetworkAndAddress(t *testing.T) {
	h := newFakeHost(t)
	one, two := h.spec(), h.spec() // the same address on two networks
	two.Name, two.Hostname = "db", "db"
	h.ensure(one)
	h.ensure(two)
	get := func(network, from, path string) (int, string) {
		t.Helper()
		client := http.Client{Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext,
		}}
		req, err := http.NewRequestWithContext(h.ctx(), http.MethodGet, "http://"+h.vif.Address(network).String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", "127.0.0.5")
		req.Header.Set("X-Instance-ID", one.ID)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() //nolint:errcheck // read to its end
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	for _, spec := range []*hostapi.ServerSpec{one, two} {
		network := spec.NICs[0].NetworkID
		if code, body := get(network, "127.0.0.5", "/openstack/latest/meta_data.json"); code != 200 || !strings.Contains(body, spec.ID) {
			t.Errorf("%s: %d %s", spec.Name, code, body)
		}
		if _, body := get(network, "127.0.0.5", "/2009-04-04/meta-data/local-hostname"); body != spec.Hostname {
			t.Errorf("%s: hostname %q", spec.Name, body)
		}
		if code, _ := get(network, "127.0.0.6", "/openstack/latest/meta_data.json"); code != 404 {
			t.Errorf("%s: a stranger got %d", spec.Name, code)
		}
	}
	h.restart()
	eventually(t, 10*time.Second, func() error {
		if h.vif.Address(one.NICs[0].NetworkID) == nil {
			return errors.New("not served")
		}
		return nil
	})
	if err := h.client.RemoveServer(h.ctx(), "host-a", one.ID, 0); err != nil {
		t.Fatal(err)
	}
	if h.vif.Address(one.NICs[0].NetworkID) != nil {
		t.Error("the network is still served")
	}
}

func TestSnapshotReachesTheControlPlane(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	h.ensure(spec)
	for _, image := range []string{"live", "cold"} {
		if err := h.client.Snapshot(h.ctx(), "host-a", hostapi.SnapshotRequest{ServerID: spec.ID, ImageID: image, Live: true}); err != nil {
			t.Fatal(err)
		}
		h.mu.Lock()
		data, end := h.written[image], h.done[image]
		h.mu.Unlock()
		if !end.Done || end.Size != int64(len(data)) || !bytes.HasPrefix(data, []byte("QFI\xfb")) || bytes.Contains(data, []byte(h.dir)) {
			t.Errorf("%s: %d bytes arrived, end %+v", image, len(data), end)
		}
		spec.Power, spec.Generation = hostapi.PowerStopped, 2
		h.ensure(spec)
	}
	if files := h.files(spec.ID); slices.ContainsFunc(files, func(f string) bool { return strings.HasPrefix(f, "snapshot") }) {
		t.Errorf("a copy is left: %v", files)
	}
}

func TestManyAtOnceShareOneFetch(t *testing.T) {
	h := newFakeHost(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			spec := h.spec()
			if _, err := h.client.EnsureServer(h.ctx(), "host-a", spec); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := h.reads.Load(); n != 1 {
		t.Errorf("the image was read %d times", n)
	}
}

func TestConsoleLog(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	h.ensure(spec)
	path := filepath.Join(h.dir, "servers", spec.ID, "console.log")
	if err := os.WriteFile(path, []byte("one\ntwo\xff\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".0", []byte("zero\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for lines, want := range map[int]string{0: "zero\none\ntwo\uFFFD\nthree\n", 1: "", 2: "three\n", 3: "two\uFFFD\nthree\n", 99: "zero\none\ntwo\uFFFD\nthree\n"} {
		if got, err := h.client.ConsoleLog(h.ctx(), "host-a", spec.ID, lines); err != nil || got != want {
			t.Errorf("%d lines: %q, %v", lines, got, err)
		}
	}
	if _, err := h.client.ConsoleLog(h.ctx(), "host-a", uuid.NewString(), 1); !errs.Is(err, errs.NotFound) {
		t.Errorf("an unknown server gave %v", err)
	}
}

func TestDiagnosticsAndHostReport(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	spec.ConfigDrive = true
	h.ensure(spec)
	d, err := h.client.Diagnostics(h.ctx(), "host-a", spec.ID)
	if err != nil || len(d.CPUTimeNs) != 2 || len(d.NICs) != 1 || !d.ConfigDrive {
		t.Errorf("diagnostics %+v, %v", d, err)
	}
	r, err := h.client.Report(h.ctx(), "host-a")
	if err != nil || r.VCPUs == 0 || r.DiskGiB == 0 || len(r.Servers) != 1 || r.ImageCacheBytes == 0 || r.UptimeSeconds == 0 {
		t.Errorf("report %+v, %v", r, err)
	}
}

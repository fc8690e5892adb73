package metadata

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kumoi/internal/agent/layout"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func spec() Guest {
	s := &hostapi.ServerSpec{
		Root:      hostapi.RootDisk{ImageID: "11111111-2222-4333-8444-555555555555", Tag: "system"},
		Ephemeral: []hostapi.LocalDisk{{SizeMiB: 1 << 10, Tag: "scratch"}, {SizeMiB: 1 << 10, Bus: "scsi"}}, Swap: &hostapi.LocalDisk{SizeMiB: 64},
		Volumes: []hostapi.Volume{{ID: "22222222-0000-4000-8000-000000000002", Tag: "data"}},
		ID:      "7f1b2c3d-0000-4000-8000-000000000001", Name: "web", Hostname: "web-host", ProjectID: "p1", FlavorName: "m1.small",
		NICs: []hostapi.NIC{{
			PortID: "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", NetworkID: "net-1", MAC: "fa:16:3e:00:00:01", MTU: 1442, Tag: "front",
			FixedIPs: []netip.Addr{netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("192.0.2.5"), netip.MustParseAddr("2001:db8::5")},
			Subnets: []hostapi.Subnet{
				{CIDR: netip.MustParsePrefix("10.0.0.0/24"), Gateway: netip.MustParseAddr("10.0.0.1"), DHCP: true, DNS: []netip.Addr{netip.MustParseAddr("192.0.2.53")}},
				{
					CIDR: netip.MustParsePrefix("192.0.2.0/25"), Gateway: netip.MustParseAddr("192.0.2.1"), DNS: []netip.Addr{netip.MustParseAddr("192.0.2.53")},
					Routes: []hostapi.Route{{Destination: netip.MustParsePrefix("198.51.100.0/24"), NextHop: netip.MustParseAddr("192.0.2.9")}},
				},
				{CIDR: netip.MustParsePrefix("2001:db8::/64"), Gateway: netip.MustParseAddr("2001:db8::1"), IPv6: "slaac"},
			},
		}},
		Metadata: hostapi.Metadata{
			AvailabilityZone: "nova", LaunchIndex: 1, ReservationID: "r-1234abcd", KeyName: "key", PublicKey: "ssh-ed25519 AAAA me", AdminPass: "secret",
			Meta: map[string]string{"role": "web"}, UserData: []byte("#!/bin/sh\n"), SecurityGroups: []string{"default", "web"},
			Files: []hostapi.File{{Path: "/etc/motd", Content: []byte("hello\n")}}, PublicIPs: []netip.Addr{netip.MustParseAddr("203.0.113.7")},
			ImageID: "11111111-2222-4333-8444-555555555555", RandomSeed: []byte("seed"), CreatedAt: time.Unix(1, 0),
		},
	}
	return Guest{s, layout.Disks(s, layout.Claimed(s))}
}

func TestDocuments(t *testing.T) {
	got := map[string]json.RawMessage{}
	for name, body := range Documents(spec(), "latest") {
		if strings.HasSuffix(name, ".json") {
			got[name] = body
		}
	}
	got["ec2.json"] = EC2Document(spec())
	text, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "documents.json")
	if *update {
		if err := os.WriteFile(golden, append(text, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(text)+"\n" != string(want) {
		t.Errorf("documents differ from %s (run with -update after a wanted change):\n%s", golden, text)
	}
}

func TestVersionsGrow(t *testing.T) {
	for _, tc := range []struct {
		version string
		names   []string
		fields  []string // of meta_data.json that this version brings
	}{
		{"2012-08-10", []string{"meta_data.json", "user_data"}, []string{"uuid", "public_keys"}},
		{"2013-04-04", []string{"meta_data.json", "user_data"}, []string{"random_seed"}},
		{"2013-10-17", []string{"meta_data.json", "user_data", "vendor_data.json"}, nil},
		{"2015-10-15", []string{"meta_data.json", "network_data.json", "user_data", "vendor_data.json"}, []string{"project_id"}},
		{"2016-06-30", []string{"meta_data.json", "network_data.json", "user_data", "vendor_data.json"}, []string{"devices"}},
		{"2016-10-06", []string{"meta_data.json", "network_data.json", "user_data", "vendor_data.json", "vendor_data2.json"}, nil},
		{"2020-10-14", []string{"meta_data.json", "network_data.json", "user_data", "vendor_data.json", "vendor_data2.json"}, []string{"dedicated_cpus"}},
	} {
		docs := Documents(spec(), tc.version)
		if got := slices.Sorted(maps.Keys(docs)); !slices.Equal(got, tc.names) {
			t.Errorf("%s has %v, want %v", tc.version, got, tc.names)
		}
		var meta, before map[string]any
		_ = json.Unmarshal(docs["meta_data.json"], &meta)
		i := slices.Index(Versions, tc.version)
		_ = json.Unmarshal(Documents(spec(), Versions[max(0, i-1)])["meta_data.json"], &before)
		for _, f := range tc.fields {
			if _, ok := meta[f]; !ok {
				t.Errorf("%s lacks %s", tc.version, f)
			}
			if _, ok := before[f]; ok && i > 0 {
				t.Errorf("%s has %s already", Versions[i-1], f)
			}
		}
	}
}

// memory keeps passwords.
type memory map[string]string

func (m memory) Password(id string) string { return m[id] }

func (m memory) SetPassword(_ context.Context, id, password string) error {
	if m[id] != "" {
		return errs.New(errs.Conflict, "set")
	}
	m[id] = password
	return nil
}

// ask plays a guest that asks.
func ask(s *Service, network, from, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(from), 40000).String()
	r = r.WithContext(context.WithValue(r.Context(), networkKey{}, network))
	w := httptest.NewRecorder()
	s.serve(w, r)
	return w
}

func TestPaths(t *testing.T) {
	s := New(memory{}, nil)
	s.Set(spec())
	for path, want := range map[string]string{
		"/":                                  "1.0\n2007-01-19",
		"/openstack":                         "2012-08-10\n",
		"/openstack/":                        "latest",
		"/openstack/latest":                  "meta_data.json\nnetwork_data.json\npassword\nuser_data\nvendor_data.json\nvendor_data2.json",
		"/openstack/2012-08-10/":             "meta_data.json\nuser_data",
		"/openstack/latest/user_data":        "#!/bin/sh\n",
		"/openstack/content/0000":            "hello\n",
		"/openstack/latest/vendor_data.json": "{}",
		"/latest":                            "meta-data/\nuser-data",
		"/latest/":                           "meta-data/\nuser-data",
		"/latest/user-data":                  "#!/bin/sh\n",
		"/2009-04-04/meta-data/":             "ami-id\nami-launch-index\n",
		"/latest/meta-data/public-keys/":     "0=key",
		"/latest/meta-data/public-keys/0/":   "openssh-key",
		"/latest/meta-data/public-keys/0/openssh-key":   "ssh-ed25519 AAAA me",
		"/latest/meta-data/local-ipv4":                  "10.0.0.5",
		"/latest/meta-data/public-ipv4":                 "203.0.113.7",
		"/latest/meta-data/instance-id":                 "i-7f1b2c3d",
		"/latest/meta-data/security-groups":             "default\nweb",
		"/latest/meta-data/placement/availability-zone": "nova",
		"/latest//meta-data//hostname":                  "web-host",
	} {
		w := ask(s, "net-1", "10.0.0.5", http.MethodGet, path, "")
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %q, want %q", path, w.Code, w.Body, want)
		}
	}
	for _, path := range []string{
		"/nothing", "/openstack/2011-01-01", "/openstack/latest/nothing", "/openstack/latest/meta_data.json/x", "/openstack/content/0001",
		"/openstack/2012-08-10/network_data.json", "/latest/meta-data/nothing", "/latest/meta-data/public-keys/1/openssh-key", "/latest/meta-data/hostname/x",
	} {
		if w := ask(s, "net-1", "10.0.0.5", http.MethodGet, path, ""); w.Code != 404 {
			t.Errorf("%s: %d %q", path, w.Code, w.Body)
		}
	}
	if w := ask(s, "net-1", "10.0.0.5", http.MethodDelete, "/latest/", ""); w.Code != 405 {
		t.Errorf("DELETE: %d", w.Code)
	}
	w := ask(s, "net-1", "10.0.0.5", http.MethodGet, "/openstack/latest/meta_data.json", "")
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
}

func TestOnlyTheGuestItselfIsAnswered(t *testing.T) {
	s := New(memory{}, nil)
	one := spec()
	two := spec()
	two.ID, two.NICs = "7f1b2c3d-0000-4000-8000-000000000002", []hostapi.NIC{{NetworkID: "net-2", MAC: "fa:16:3e:00:00:02", FixedIPs: one.NICs[0].FixedIPs[:1]}}
	s.Set(one)
	s.Set(two)
	for _, tc := range []struct{ network, from, want string }{
		{"net-1", "10.0.0.5", one.ID},
		{"net-2", "10.0.0.5", two.ID},
		{"net-1", "192.0.2.5", one.ID},
		{"net-1", "2001:db8::5", one.ID},
		{"net-1", "::ffff:10.0.0.5", one.ID},
		{"net-1", "fe80::f816:3eff:fe00:1%eth0", one.ID},
		{"net-2", "192.0.2.5", ""},
		{"net-3", "10.0.0.5", ""},
		{"", "10.0.0.5", ""},
		{"net-1", "fe80::f816:3eff:fe00:2", ""},
	} {
		w := ask(s, tc.network, tc.from, http.MethodGet, "/openstack/latest/meta_data.json", "")
		if tc.want == "" && w.Code != 404 || tc.want != "" && !strings.Contains(w.Body.String(), tc.want) {
			t.Errorf("%s on %q: %d %s", tc.from, tc.network, w.Code, w.Body)
		}
	}
	// An address passes on to whoever has it now.
	three := spec()
	three.ID = "7f1b2c3d-0000-4000-8000-000000000003"
	s.Set(three)
	s.Forget(one.ID)
	if got, ok := s.Lookup("net-1", netip.MustParseAddr("10.0.0.5")); !ok || got.ID != three.ID {
		t.Errorf("the address belongs to %+v", got)
	}
	s.Forget(three.ID)
	if _, ok := s.Lookup("net-1", netip.MustParseAddr("10.0.0.5")); ok {
		t.Error("a forgotten guest is known")
	}
}

func TestPasswordIsSetOnce(t *testing.T) {
	m := memory{}
	s := New(m, nil)
	s.Set(spec())
	const path = "/openstack/latest/password"
	for _, tc := range []struct {
		method, body string
		code         int
		want         string
	}{
		{"GET", "", 200, ""},
		{"POST", strings.Repeat("x", maxPassword+1), 400, "too long"},
		{"POST", "sealed", 200, ""},
		{"POST", "again", 409, ""},
		{"GET", "", 200, "sealed"},
		{"PUT", "x", 405, ""},
	} {
		w := ask(s, "net-1", "10.0.0.5", tc.method, path, tc.body)
		body, _ := io.ReadAll(w.Body)
		if w.Code != tc.code || !strings.Contains(string(body), tc.want) {
			t.Errorf("%s: %d %q, want %d %q", tc.method, w.Code, body, tc.code, tc.want)
		}
	}
	if w := ask(s, "net-1", "10.0.0.6", "POST", path, "x"); w.Code != 404 {
		t.Errorf("a stranger got %d", w.Code)
	}
}

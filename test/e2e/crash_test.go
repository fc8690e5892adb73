//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"kumoi/internal/app"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/waittest"
)

const (
	doomedDir = "KUMOI_E2E_DOOMED" // makes the test binary a cloud that can be told when to die
	password  = "a password for tests"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(doomedDir); dir != "" {
		if err := doomed(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func doomedConfig(dir string) app.Config {
	return app.Config{
		DataDir: dir, Listen: listen, Region: "RegionOne", Host: "testhost", Hypervisor: "libvirt", Fabric: "ovn", VirtType: "qemu",
		OutsideCIDR: outside, Datapath: "auto", ImageCacheGiB: 1, AdminPassword: password, LogFormat: "text", LogLevel: "info",
	}
}

// doomed is kumoi itself, with everything real, that kills itself with SIGKILL at
// the moment of a saga that the file "die-at" names. It writes down all moments.
func doomed(dir string) error {
	cfg := doomedConfig(dir)
	cfg.Crash = func(p saga.Point) bool {
		moments, err := os.OpenFile(filepath.Join(dir, "moments"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			fmt.Fprintln(moments, p)
			moments.Close()
		}
		at := filepath.Join(dir, "die-at")
		if want, err := os.ReadFile(at); err != nil || string(want) != p.String() {
			return false
		}
		os.Remove(at)
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the kernel needs a moment
	}
	_, err := app.Start(context.Background(), &cfg, app.Roles{Control: true, Host: true}, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	select {}
}

// startDoomed starts a doomed kumoi in a folder of its own, and sees that nothing
// of it is left at the end.
func startDoomed(t *testing.T) *doomedCloud {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "kumoi-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	cfg := doomedConfig(dir)
	d := &doomedCloud{t: t, dir: dir, cfg: &cfg}
	t.Cleanup(func() {
		d.end()
		if err := app.Down(context.Background(), &cfg, app.DownOptions{Purge: true, Say: func(string) {}}); err != nil {
			t.Error(err)
		}
		leavesNothing(t, dir)
	})
	d.start()
	d.prepare()
	return d
}

// TestKilledAtEveryStep kills kumoi with kill -9 before and after each step of a
// build and of a delete is written down, starts it again, and looks for what is
// there in libvirt, OVN, placement and on disk: exactly the server, or nothing.
func TestKilledAtEveryStep(t *testing.T) {
	d := startDoomed(t)

	id := d.create()
	d.waitActive(id)
	build := d.moments()
	d.delete(id)
	remove := d.moments()
	d.nothing(id)
	if len(build) < 10 || len(remove) < 4 {
		t.Fatalf("moments of a build: %q; of a delete: %q", build, remove)
	}
	step := func(name string, f func()) {
		t.Helper()
		ok := t.Run(name, func(t *testing.T) {
			d.t = t
			f()
		})
		if d.t = t; !ok {
			t.FailNow()
		}
	}
	for _, at := range build {
		step("build "+at, func() {
			d.dieAt(at)
			id := d.create()
			d.reborn()
			if id == "" { // it died before it could answer
				id = d.onlyServer()
			}
			d.waitActive(id)
			d.exactly(id)
			d.delete(id)
			d.nothing(id)
		})
	}
	for _, at := range remove {
		step("delete "+at, func() {
			id := d.create()
			d.waitActive(id)
			d.dieAt(at)
			d.status("DELETE", "/compute/v2.1/servers/"+id, nil, nil)
			d.reborn()
			d.nothing(id)
		})
	}
}

// doomedCloud drives the process that dies.
type doomedCloud struct {
	t     *testing.T
	dir   string
	cfg   *app.Config
	cmd   *exec.Cmd
	ended chan struct{}
	token string

	image, flavor, network string
}

func (d *doomedCloud) start() {
	d.t.Helper()
	self, err := os.Executable()
	if err != nil {
		d.t.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(d.dir, "kumoi.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer log.Close()
	d.cmd = exec.Command(self)
	d.cmd.Env = append(os.Environ(), doomedDir+"="+d.dir)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	cmd, ended := d.cmd, make(chan struct{})
	d.ended = ended
	go func() { cmd.Wait(); close(ended) }()
	eventually(d.t, "kumoi to be ready", 30*time.Second, func() bool {
		select {
		case <-ended:
			d.t.Fatalf("it ended by itself:\n%s", d.logTail())
		default:
		}
		st, err := app.AskStatus(context.Background(), d.cfg)
		return err == nil && st.Ready
	})
}

func (d *doomedCloud) logTail() string {
	b, _ := os.ReadFile(filepath.Join(d.dir, "kumoi.log"))
	return string(b[max(0, len(b)-4000):])
}

// end ends the process if it lives.
func (d *doomedCloud) end() {
	if d.cmd != nil {
		d.cmd.Process.Kill()
		<-d.ended
	}
}

// reborn waits for the process to die as told, and starts it again.
func (d *doomedCloud) reborn() {
	d.t.Helper()
	select {
	case <-d.ended:
	case <-time.After(30 * time.Second):
		d.t.Fatalf("it did not die\n%s", d.logTail())
	}
	if _, err := os.Stat(filepath.Join(d.dir, "die-at")); err == nil {
		d.t.Fatalf("it died at another moment\n%s", d.logTail())
	}
	d.start()
}

func (d *doomedCloud) dieAt(moment string) {
	if err := os.WriteFile(filepath.Join(d.dir, "die-at"), []byte(moment), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// moments are those passed since the last call.
func (d *doomedCloud) moments() []string {
	path := filepath.Join(d.dir, "moments")
	text := string(read(d.t, path))
	os.Remove(path)
	return slices.Compact(strings.Split(strings.TrimSpace(text), "\n"))
}

// prepare makes what a server needs: an image without an operating system, for
// none of these guests has to boot.
func (d *doomedCloud) prepare() {
	d.login()
	var image struct{ ID string }
	d.call("POST", "/image/v2/images", object{"name": "blank", "disk_format": "raw", "container_format": "bare"}, &image)
	d.call("PUT", "/image/v2/images/"+image.ID+"/file", bytes.NewReader(make([]byte, 1<<20)), nil)
	var flavor struct{ Flavor struct{ ID string } }
	d.call("POST", "/compute/v2.1/flavors", object{"flavor": object{"name": "least", "vcpus": 1, "ram": 64, "disk": 1}}, &flavor)
	var network struct{ Network struct{ ID string } }
	d.call("POST", "/network/v2.0/networks", object{"network": object{"name": "net"}}, &network)
	d.call("POST", "/network/v2.0/subnets", object{"subnet": object{
		"network_id": network.Network.ID, "ip_version": 4, "cidr": "10.9.0.0/24",
	}}, nil)
	d.image, d.flavor, d.network = image.ID, flavor.Flavor.ID, network.Network.ID
}

func (d *doomedCloud) create() string {
	d.t.Helper()
	os.Remove(filepath.Join(d.dir, "moments"))
	var out struct{ Server struct{ ID string } }
	code := d.status("POST", "/compute/v2.1/servers", object{"server": object{
		"name": "s", "imageRef": d.image, "flavorRef": d.flavor, "networks": []object{{"uuid": d.network}},
	}}, &out)
	if code != http.StatusAccepted && code != 0 {
		d.t.Fatalf("create: %d", code)
	}
	return out.Server.ID
}

// onlyServer is the server that a request without an answer has made.
func (d *doomedCloud) onlyServer() string {
	d.t.Helper()
	var out struct{ Servers []struct{ ID string } }
	d.call("GET", "/compute/v2.1/servers", nil, &out)
	if len(out.Servers) != 1 {
		d.t.Fatalf("servers: %v", out.Servers)
	}
	return out.Servers[0].ID
}

func (d *doomedCloud) delete(id string) {
	d.t.Helper()
	os.Remove(filepath.Join(d.dir, "moments"))
	d.call("DELETE", "/compute/v2.1/servers/"+id, nil, nil)
	eventually(d.t, "the server to be gone", 30*time.Second, func() bool {
		return d.status("GET", "/compute/v2.1/servers/"+id, nil, nil) == http.StatusNotFound
	})
}

func (d *doomedCloud) waitActive(id string) {
	d.t.Helper()
	var out struct {
		Server struct {
			Status string
			Fault  struct{ Message string }
		}
	}
	eventually(d.t, "the server to be ACTIVE", 60*time.Second, func() bool {
		d.call("GET", "/compute/v2.1/servers/"+id, nil, &out)
		if out.Server.Status == "ERROR" {
			d.t.Fatalf("ERROR: %s\n%s", out.Server.Fault.Message, d.logTail())
		}
		return out.Server.Status == "ACTIVE"
	})
}

func (d *doomedCloud) login() {
	body := object{"auth": object{
		"identity": object{"methods": []string{"password"}, "password": object{"user": object{
			"name": "admin", "domain": object{"id": "default"}, "password": password,
		}}},
		"scope": object{"project": object{"name": "admin", "domain": object{"id": "default"}}},
	}}
	b, _ := json.Marshal(body)
	resp, err := http.Post("http://"+listen+"/identity/v3/auth/tokens", "application/json", bytes.NewReader(b))
	if err != nil {
		d.t.Fatal(err)
	}
	resp.Body.Close()
	d.token = resp.Header.Get("X-Subject-Token")
}

// call makes a request that must succeed.
func (d *doomedCloud) call(method, path string, in, out any) {
	d.t.Helper()
	if code := d.status(method, path, in, out); code/100 != 2 {
		d.t.Fatalf("%s %s: %d\n%s", method, path, code, d.logTail())
	}
}

// status makes a request and returns what it comes to, 0 if the process died
// before it could answer.
func (d *doomedCloud) status(method, path string, in, out any) int {
	d.t.Helper()
	kind := "application/json"
	var body io.Reader
	switch in := in.(type) {
	case nil:
	case io.Reader:
		body, kind = in, "application/octet-stream"
	default:
		b, err := json.Marshal(in)
		if err != nil {
			d.t.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, "http://"+listen+path, body)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("X-Auth-Token", d.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Logf("%s %s: %v", method, path, err)
		return 0
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0
	}
	if resp.StatusCode/100 != 2 && resp.StatusCode != http.StatusNotFound {
		d.t.Logf("%s %s: %s", method, path, b)
	}
	if out != nil && resp.StatusCode/100 == 2 {
		if err := json.Unmarshal(b, out); err != nil {
			d.t.Fatalf("%s %s: %v in %s", method, path, err, b)
		}
	}
	return resp.StatusCode
}

// traces is what the four places hold.
type traces struct {
	Guests      []string // libvirt's domains
	Ports       []string // OVN's ports of servers
	Allocations int      // resources taken in placement, of all kinds
	Files       []string // what carries the server's id on the host's disk
}

func (d *doomedCloud) traces(id string) traces {
	d.t.Helper()
	var out traces
	out.Guests = d.lines("virsh", "-q", "-c", "qemu:///system?socket="+filepath.Join(d.dir, "libvirt/run/libvirt-sock"), "list", "--all", "--uuid")
	out.Ports = d.lines("ovn-nbctl", "--db=unix:"+filepath.Join(d.dir, "ovn/nb.sock"), "--bare", "--columns=name", "find", "Logical_Switch_Port", "type=\"\"")
	var providers struct {
		Providers []struct{ UUID string } `json:"resource_providers"`
	}
	d.call("GET", "/placement/resource_providers", nil, &providers)
	for _, p := range providers.Providers {
		var usages struct{ Usages map[string]int }
		d.call("GET", "/placement/resource_providers/"+p.UUID+"/usages", nil, &usages)
		for _, n := range usages.Usages {
			out.Allocations += min(n, 1)
		}
	}
	for _, root := range []string{filepath.Join(d.dir, "host"), filepath.Join(d.dir, "libvirt")} {
		filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err == nil && strings.Contains(e.Name(), id) {
				out.Files = append(out.Files, path)
			}
			return nil
		})
	}
	return out
}

func (d *doomedCloud) lines(name string, args ...string) []string {
	d.t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		d.t.Fatalf("%s: %v", name, err)
	}
	return strings.Fields(string(out))
}

// exactly says that the server is in all four places, and nothing else is.
func (d *doomedCloud) exactly(id string) {
	d.t.Helper()
	got := d.traces(id)
	if len(got.Guests) != 1 || got.Guests[0] != id || len(got.Ports) != 1 || got.Allocations != 3 || len(got.Files) == 0 {
		d.t.Errorf("want one guest, one port, CPU, memory and disk taken, and files; got %+v", got)
	}
}

// nothing says that none of the four places knows of any server.
func (d *doomedCloud) nothing(id string) {
	d.t.Helper()
	eventually(d.t, "the server to be gone", 30*time.Second, func() bool {
		return d.status("GET", "/compute/v2.1/servers/"+id, nil, nil) == http.StatusNotFound
	})
	waittest.Until(d.t, 10*time.Second, func() error { // OVN's database follows ours
		got := d.traces(id)
		if len(got.Guests) == 0 && len(got.Ports) == 0 && got.Allocations == 0 && len(got.Files) == 0 {
			return nil
		}
		return fmt.Errorf("left over: %+v", got)
	})
}

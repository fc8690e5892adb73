//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kumoi/test/stockclient"
)

// TestTheWholePath is one cloud's life: start, demo, an ordinary session with
// the stock client, crashes, and an end that leaves nothing. Its parts build on
// each other and stop at the first that cannot go on.
func TestTheWholePath(t *testing.T) {
	bin, err := filepath.Abs("../../bin/kumoi")
	if err != nil {
		t.Fatal(err)
	}
	image, err := filepath.Abs("../../build/kumoi-guest.qcow2")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/var/tmp", "kumoi-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{t: t, dir: dir, bin: bin}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of kumoi.log:\n%s", c.logTail())
		}
		c.kumoi("down", "--purge")
		leavesNothing(t, dir)
	})

	step := func(name string, f func(t *testing.T)) {
		if !t.Run(name, f) {
			t.FailNow()
		}
	}
	step("up", func(t *testing.T) {
		t.Log(c.kumoi("up", "--detach"))
		t.Log(c.kumoi("status"))
	})
	step("demo", func(t *testing.T) { t.Log(c.kumoi("demo", "--guest-image", image)) })
	step("demo again reuses", func(t *testing.T) {
		start := time.Now()
		t.Log(c.kumoi("demo", "--guest-image", image))
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("the second demo took %s", took)
		}
	})

	password := strings.TrimSpace(string(read(t, filepath.Join(dir, "admin-password"))))
	root := &client{t: t, py: stockclient.Start(t, "openstackclient.shell"), env: map[string]string{
		"OS_AUTH_URL": "http://" + listen + "/identity/v3", "OS_USERNAME": "admin", "OS_PASSWORD": password,
		"OS_PROJECT_NAME": "admin", "OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default",
		"OS_REGION_NAME": "RegionOne", "OS_IDENTITY_API_VERSION": "3",
	}}
	demo := root.as("demo", strings.TrimSpace(string(read(t, filepath.Join(dir, "demo", "password")))), "demo")
	s := &session{cloud: c, root: root, demo: demo, image: image, key: read(t, filepath.Join(dir, "demo", "id_ed25519"))}
	step("identity", s.identity)
	step("images", s.images)
	step("networks", s.networks)
	step("flavors, key pairs and the operator's lists", s.operator)
	step("servers", s.servers)
	step("two guests, security groups, metadata", s.traffic)
	step("other projects see nothing", s.tenancy)
	step("kill -9 and restart", s.crash)
	step("the northbound database is deleted", s.recompute)
	step("a power cut", s.powerCut)
	step("explain, sagas, tasks", s.look)
}

// session is what the parts share.
type session struct {
	*cloud
	root, demo *client
	image      string
	key        []byte
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// leavesNothing looks for traces of a purged cloud.
func leavesNothing(t *testing.T, dir string) {
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s is still there", dir)
	}
	links, _ := exec.Command("ip", "-o", "link").Output()
	for line := range strings.Lines(string(links)) {
		if !strings.Contains(line, " lo:") && !strings.Contains(line, ": lo") {
			t.Errorf("an interface is left: %s", line)
		}
	}
	if spaces, _ := exec.Command("ip", "netns").Output(); len(spaces) > 0 {
		t.Errorf("namespaces are left: %s", spaces)
	}
	if tables, _ := exec.Command("nft", "list", "tables").Output(); strings.Contains(string(tables), "kumoi") {
		t.Errorf("nftables are left: %s", tables)
	}
	procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range procs {
		if b, err := os.ReadFile(p); err == nil && strings.Contains(string(b), dir) {
			t.Errorf("a process is left: %s", strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
}

func (s *session) identity(t *testing.T) {
	root := s.root.in(t)
	if root.show("token issue").str("project_id") == "" {
		t.Error("the token has no project")
	}
	types := map[string]bool{}
	for _, r := range root.list("catalog list") {
		types[r.str("Type")] = true
	}
	for _, want := range []string{"identity", "image", "placement", "network", "compute"} {
		if !types[want] {
			t.Errorf("the catalogue lacks %s", want)
		}
	}
	p := root.show("project create --description first lab")
	root.ok("project set --description second lab")
	if d := root.show("project show lab").str("description"); d != "second" {
		t.Errorf("description %q", d)
	}
	if find(root.list("project list"), "Name", "lab") == nil {
		t.Error("the project is not listed")
	}
	root.show("user create --project lab --password one-password worker")
	root.ok("role add --user worker --project lab member")
	if len(root.list("role assignment list --user worker --project lab --names")) != 1 {
		t.Error("the assignment is not listed")
	}
	worker := root.as("worker", "one-password", "lab").in(t)
	if got := worker.show("token issue").str("project_id"); got != p.str("id") {
		t.Errorf("the worker's project is %s", got)
	}
	worker.refused("403", "user list")
	root.ok("user set --password two-password worker")
	worker.refused("401", "token issue")
	s.root.as("worker", "two-password", "lab").in(t).ok("token issue")
	root.show("role create keeper")
	root.ok("role show keeper")
	root.ok("role delete keeper")
	root.ok("user set --disable worker")
	s.root.as("worker", "two-password", "lab").in(t).refused("401", "token issue")
	root.ok("user delete worker")
	root.ok("project delete lab")
	root.refused("No project", "project show lab")
}

func (s *session) images(t *testing.T) {
	demo := s.demo.in(t)
	demo.show("image create --disk-format qcow2 --container-format bare --property os_distro=kumoi --file {} mine", s.image)
	if status := demo.show("image show mine").str("status"); status != "active" {
		t.Fatalf("status %q", status)
	}
	saved := filepath.Join(t.TempDir(), "saved")
	demo.ok("image save --file {} mine", saved)
	if string(read(t, saved)) != string(read(t, s.image)) {
		t.Error("the image came back changed")
	}
	demo.ok("image set --name renamed --property hw_vif_model=virtio --tag small mine")
	if got := demo.show("image show renamed"); !strings.Contains(got.str("tags"), "small") {
		t.Errorf("tags %q", got.str("tags"))
	}
	if find(demo.list("image list --tag small"), "Name", "renamed") == nil {
		t.Error("not listed by tag")
	}
	demo.ok("image delete renamed")
	bad := filepath.Join(t.TempDir(), "bad.qcow2")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "/etc/passwd", "-u", bad, "1M").CombinedOutput(); err != nil {
		t.Fatalf("qemu-img: %s", out)
	}
	demo.refused("backing", "image create --disk-format qcow2 --container-format bare --file {} evil", bad)
}

func (s *session) networks(t *testing.T) {
	root, demo := s.root.in(t), s.demo.in(t)
	demo.show("network create lab")
	sub := demo.show("subnet create --network lab --subnet-range 10.77.0.0/24 --dns-nameserver 10.77.0.1 lab")
	demo.ok("subnet set --name lab-subnet lab")
	demo.show("router create lab")
	demo.ok("router add subnet lab lab-subnet")
	demo.ok("router set --external-gateway outside lab")
	if !strings.Contains(demo.show("router show lab").str("external_gateway_info"), "172.24.4.") {
		t.Error("the router has no address outside")
	}
	port := demo.show("port create --network lab --fixed-ip subnet=lab-subnet,ip-address=10.77.0.50 p1")
	if !strings.Contains(port.str("fixed_ips"), "10.77.0.50") {
		t.Errorf("fixed_ips %s", port.str("fixed_ips"))
	}
	demo.ok("port set --name p2 p1")
	demo.refused("409", "port create --network lab --fixed-ip subnet=lab-subnet,ip-address=10.77.0.50 p3")
	demo.show("security group create lab")
	rule := demo.show("security group rule create --protocol tcp --dst-port 80 --remote-ip 0.0.0.0/0 lab")
	demo.show("security group rule create --protocol tcp --dst-port 443 --remote-group lab lab")
	demo.refused("409", "security group rule create --protocol tcp --dst-port 80 --remote-ip 0.0.0.0/0 lab")
	demo.ok("security group rule delete {}", rule.str("id"))
	if len(demo.list("security group rule list lab")) != 3 {
		t.Error("want two egress rules and one of the group")
	}
	if find(demo.list("security group list"), "Name", "default") == nil {
		t.Error("the project has no default group")
	}
	fip := demo.show("floating ip create outside")
	demo.ok("floating ip set --port p2 {}", fip.str("floating_ip_address"))
	demo.ok("floating ip unset --port {}", fip.str("floating_ip_address"))
	demo.ok("floating ip delete {}", fip.str("floating_ip_address"))
	demo.refused("409", "network delete lab")
	demo.ok("port delete p2")
	demo.ok("router unset --external-gateway lab")
	demo.ok("router remove subnet lab lab-subnet")
	demo.ok("router delete lab")
	demo.ok("subnet delete {}", sub.str("id"))
	demo.ok("network delete lab")
	demo.ok("security group delete lab")
	root.show("network create --external --provider-network-type flat --provider-physical-network other prov")
	root.ok("network delete prov")
	demo.refused("403", "network create --external mine")
	if len(root.list("network agent list")) == 0 {
		t.Error("no network agents")
	}
}

func (s *session) operator(t *testing.T) {
	root, demo := s.root.in(t), s.demo.in(t)
	root.show("flavor create --vcpus 1 --ram 128 --disk 1 --property hw:cpu_shares=512 f1")
	if find(demo.list("flavor list"), "Name", "f1") == nil {
		t.Error("the flavor is not listed")
	}
	demo.ok("flavor show f1")
	demo.refused("403", "flavor delete f1")
	root.ok("flavor delete f1")
	key := demo.ok("keypair create made")
	if !strings.Contains(key, "PRIVATE KEY") {
		t.Errorf("no private key: %.60s", key)
	}
	public := filepath.Join(s.dir, "demo", "id_ed25519.pub")
	demo.show("keypair create --public-key {} given", public)
	if len(demo.list("keypair list")) != 3 {
		t.Error("want three key pairs")
	}
	demo.ok("keypair delete made given")
	if find(demo.list("availability zone list --compute"), "Zone Name", "nova") == nil {
		t.Error("no zone nova")
	}
	if hv := root.list("hypervisor list"); len(hv) != 1 || hv[0].str("State") != "up" {
		t.Errorf("hypervisors %v", hv)
	}
	if find(root.list("compute service list"), "Binary", "nova-compute") == nil {
		t.Error("no nova-compute")
	}
	demo.ok("limits show --absolute -f json")
	demo.ok("quota show -f json")
	demo.ok("usage show -f json")
	root.ok("usage list -f json")
}

func (s *session) servers(t *testing.T) {
	demo := s.demo.in(t)
	made := demo.show("server create --image kumoi-guest --flavor tiny --network private --security-group ssh --key-name demo "+
		"--property purpose=test --config-drive true --user-data {} --wait web", userData(t, "echo user-data-ran > /tmp/ran\n"))
	if made.str("status") != "ACTIVE" {
		t.Fatalf("status %q", made.str("status"))
	}
	if find(demo.list("server list"), "Name", "web") == nil {
		t.Error("not listed")
	}
	fip := demo.show("floating ip create outside").str("floating_ip_address")
	demo.ok("server add floating ip web {}", fip)
	g := guest{addr: fip, key: s.key, user: "kumoi"}
	if got := g.reach(t, "hostname"); got != "web" {
		t.Errorf("hostname %q", got)
	}
	eventuallySays(t, g, "cat /tmp/ran", "user-data-ran")
	eventuallySays(t, g, "curl -s http://169.254.169.254/latest/meta-data/public-ipv4", fip)
	g.reach(t, "curl -s -X POST -d sealed http://169.254.169.254/openstack/latest/password")
	if got := g.reach(t, "curl -s http://169.254.169.254/openstack/latest/password"); got != "sealed" {
		t.Errorf("the password reads %q", got)
	}
	if log := demo.ok("console log show web"); !strings.Contains(log, "login:") && !strings.Contains(log, "Linux version") {
		t.Errorf("console log: %.200s", log)
	}
	consoles(t, demo, "web")
	demo.ok("server set --name www --property colour=red web")
	status := func(want string) {
		t.Helper()
		eventually(t, "status "+want, time.Minute, func() bool { return demo.show("server show www").str("status") == want })
	}
	demo.refused("409", "server start www")
	demo.ok("server pause www")
	status("PAUSED")
	demo.ok("server unpause www")
	status("ACTIVE")
	demo.ok("server suspend www")
	status("SUSPENDED")
	demo.ok("server resume www")
	status("ACTIVE")
	g.reach(t, "true")
	demo.ok("server reboot --soft --wait www")
	status("ACTIVE")
	g.reach(t, "true")
	demo.ok("server reboot --hard --wait www")
	g.reach(t, "true")
	demo.ok("server stop www")
	status("SHUTOFF")
	demo.ok("server start www")
	status("ACTIVE")
	g.reach(t, "true")
	demo.ok("server image create --name www-copy --wait www")
	if copied := demo.show("image show www-copy"); copied.str("status") != "active" || copied.str("disk_format") != "qcow2" {
		t.Errorf("the snapshot is %v", copied)
	}
	demo.ok("image delete www-copy")
	g.reach(t, "echo kept > kept; sync")
	demo.ok("server shelve --wait www")
	status("SHELVED_OFFLOADED")
	demo.ok("server unshelve --wait www")
	if got := g.reach(t, "cat kept"); got != "kept" {
		t.Errorf("after unshelving a file of the guest says %q", got)
	}
	port := demo.show("port create --network private extra").str("id")
	demo.ok("server add port www extra")
	eventually(t, "the new port to be ACTIVE", 30*time.Second, func() bool { return demo.show("port show {}", port).str("status") == "ACTIVE" })
	demo.ok("server remove port www extra")
	demo.ok("server add security group www default")
	demo.ok("server remove security group www default")
	demo.ok("server remove floating ip www {}", fip)
	demo.ok("floating ip delete {}", fip)
	events := demo.list("server event list www")
	if find(events, "Action", "create") == nil || find(events, "Action", "reboot") == nil {
		t.Errorf("events %v", events)
	}
	demo.ok("server event show www {} -f json", find(events, "Action", "create").str("Request ID"))
	demo.ok("server delete --wait www")
	demo.refused("No server", "server show www")
	demo.ok("server create --image kumoi-guest --flavor tiny --network private --min 2 --max 2 --wait pair")
	for _, name := range []string{"pair-1", "pair-2"} {
		if got := demo.show("server show {}", name).str("status"); got != "ACTIVE" {
			t.Errorf("%s is %s", name, got)
		}
		demo.ok("server delete --wait {}", name)
	}
}

// userData writes a script for --user-data and returns its path.
func userData(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "user-data")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// eventuallySays waits until a command in the guest prints want.
func eventuallySays(t *testing.T, g guest, command, want string) {
	t.Helper()
	eventually(t, "the guest to say "+want, 2*time.Minute, func() bool {
		out, err := g.run(command)
		return err == nil && strings.Contains(out, want)
	})
}

// traffic is about packets: between guests, through security groups, to metadata and outside.
func (s *session) traffic(t *testing.T) {
	demo := s.demo.in(t)
	first := guest{addr: s.firstAddress(t), key: s.key, user: "root"} // who may ping
	first.reach(t, "true")
	demo.show("server create --image kumoi-guest --flavor tiny --network private --security-group ssh --key-name demo --wait second")
	second := fixedAddress(t, demo, "second")
	eventuallySays(t, first, "ping -c 1 -w 2 "+second, "1 packets received")
	if out, err := first.run("ping -c 2 -w 4 172.24.4.1"); err != nil {
		t.Errorf("the guest does not reach the outside: %s", out)
	}
	meta := first.reach(t, "wget -q -O - http://169.254.169.254/openstack/latest/meta_data.json")
	var doc struct{ UUID, Name string }
	if err := json.Unmarshal([]byte(meta), &doc); err != nil || doc.Name != "first" {
		t.Errorf("metadata: %v %s", err, meta)
	}
	if id := first.reach(t, "wget -q -O - http://169.254.169.254/latest/meta-data/hostname"); !strings.HasPrefix(id, "first") {
		t.Errorf("EC2 hostname %q", id)
	}
	if size := first.reach(t, "df -m / | tail -1 | awk '{print $2}'"); len(size) < 4 {
		t.Errorf("the root file system has %s MiB; the flavor's disk has 2 GiB", size)
	}
	// Without the group that allows it, ssh is shut out at once; with it, let in without a restart.
	port := demo.list("port list --server first")[0].str("ID")
	group := demo.show("security group show ssh").str("id")
	demo.ok("port set --no-security-group {}", port)
	eventually(t, "ssh to be shut out", 20*time.Second, func() bool { _, err := first.run("true"); return err != nil })
	demo.ok("port set --security-group {} {}", group, port)
	first.reach(t, "true")
	demo.ok("server delete --wait second")
}

func (s *session) firstAddress(t *testing.T) string {
	t.Helper()
	for _, f := range s.demo.in(t).list("floating ip list --long") {
		if f.str("Fixed IP Address") != "None" && f.str("Fixed IP Address") != "" {
			return f.str("Floating IP Address")
		}
	}
	t.Fatal("the demo's floating IP is gone")
	return ""
}

func fixedAddress(t *testing.T, c *client, server string) string {
	t.Helper()
	ports := c.list("port list --server {}", server)
	if len(ports) == 0 {
		t.Fatalf("server %s has no port", server)
	}
	text := ports[0].str("Fixed IP Addresses")
	_, rest, _ := strings.Cut(text, "10.20.0.")
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	return "10.20.0." + rest[:end]
}

// tenancy is a second, ordinary user who must see nothing of the first.
func (s *session) tenancy(t *testing.T) {
	root := s.root.in(t)
	root.show("project create other")
	root.show("user create --project other --password other-password other")
	root.ok("role add --user other --project other member")
	other := s.root.as("other", "other-password", "other").in(t)
	first := s.demo.in(t).show("server show first")
	for _, line := range []string{"server list", "network list --internal", "router list", "port list", "floating ip list", "keypair list"} {
		if rows := other.list(line); len(rows) != 0 {
			t.Errorf("%s shows %v", line, rows)
		}
	}
	other.refused("No server", "server show {}", first.str("id"))
	other.refused("No server", "server delete {}", first.str("id"))
	other.show("network create private")
	other.show("subnet create --network private --subnet-range 10.20.0.0/24 private")
	other.show("security group rule create --protocol icmp default")
	// The very address that the first project's server has, on a network of its own.
	fixed := fixedAddress(t, s.demo.in(t), "first")
	other.show("server create --image kumoi-guest --flavor tiny --nic net-id=private,v4-fixed-ip="+fixed+" --user-data {} --wait theirs",
		userData(t, "echo a word for theirs alone > /dev/console\n"))
	if rows := other.list("server list"); len(rows) != 1 {
		t.Errorf("the other user sees %v", rows)
	}
	g := guest{addr: s.firstAddress(t), key: s.key, user: "root"}
	if theirs := fixedAddress(t, other, "theirs"); theirs != fixed {
		t.Fatalf("the address is %s, not %s", theirs, fixed)
	}
	eventually(t, "the other guest to run its own user data", 2*time.Minute, func() bool {
		return strings.Contains(other.ok("console log show theirs"), "a word for theirs alone")
	})
	for _, path := range []string{"openstack/latest/user_data", "latest/user-data", "openstack/latest/meta_data.json"} {
		if out, _ := g.run("wget -q -O - http://169.254.169.254/" + path); strings.Contains(out, "theirs") {
			t.Errorf("%s is another project's: %s", path, out)
		}
	}
	other.show("server create --image kumoi-guest --flavor tiny --network private beside")
	eventually(t, "the second server of theirs", time.Minute, func() bool { return other.show("server show beside").str("status") == "ACTIVE" })
	if out, err := g.run("ping -c 1 -w 2 " + fixedAddress(t, other, "beside")); err == nil {
		t.Errorf("a guest reaches another project's: %s", out)
	}
	other.ok("server delete --wait theirs")
	other.ok("server delete --wait beside")
	other.ok("network delete private")
	root.ok("user delete other")
	root.ok("project delete other")
}

// crash kills kumoi in the middle of builds; guests and what was accepted live on.
func (s *session) crash(t *testing.T) {
	demo := s.demo.in(t)
	g := guest{addr: s.firstAddress(t), key: s.key, user: "kumoi"}
	g.reach(t, "true")
	uptime := func() string { return g.reach(t, "cat /proc/sys/kernel/random/boot_id") }
	before := uptime()
	made := demo.show("server create --image kumoi-guest --flavor tiny --network private survivor")
	s.kill()
	if got := uptime(); got != before {
		t.Error("the guest was restarted")
	}
	start := time.Now()
	t.Log(s.kumoi("up", "--detach"))
	t.Logf("ready again after %s", time.Since(start).Round(10*time.Millisecond))
	if got := uptime(); got != before {
		t.Error("the guest was restarted")
	}
	eventually(t, "the survivor to be ACTIVE", time.Minute, func() bool {
		return demo.show("server show {}", made.str("id")).str("status") == "ACTIVE"
	})
	if out := g.reach(t, "wget -q -O - http://169.254.169.254/openstack/latest/meta_data.json"); !strings.Contains(out, "first") {
		t.Errorf("metadata after the restart: %s", out)
	}
	demo.ok("server delete --wait survivor")
}

// recompute deletes OVN's northbound database under a running guest.
func (s *session) recompute(t *testing.T) {
	g := guest{addr: s.firstAddress(t), key: s.key, user: "kumoi"}
	boot := g.reach(t, "cat /proc/sys/kernel/random/boot_id")
	s.kumoi("down", "--keep-guests")
	dbs, err := filepath.Glob(filepath.Join(s.dir, "*", "*nb*.db"))
	if err != nil || len(dbs) != 1 {
		t.Fatalf("northbound databases: %v %v", dbs, err)
	}
	pids, err := filepath.Glob(filepath.Join(s.dir, "*", "*nb*.pid"))
	if err != nil || len(pids) != 1 {
		t.Fatalf("northbound pidfiles: %v %v", pids, err)
	}
	exec.Command("kill", "-9", strings.TrimSpace(string(read(t, pids[0])))).Run()
	if err := os.Remove(dbs[0]); err != nil {
		t.Fatal(err)
	}
	s.kumoi("up", "--detach")
	eventually(t, "the guest's port to be in the new database", 20*time.Second, func() bool {
		out, err := exec.Command("ovn-nbctl", "--db=unix:"+filepath.Join(filepath.Dir(dbs[0]), "nb.sock"), "--bare", "--columns=external_ip", "find", "NAT", "type=dnat_and_snat").Output()
		return err == nil && strings.Contains(string(out), g.addr)
	})
	if got := g.reach(t, "cat /proc/sys/kernel/random/boot_id"); got != boot {
		t.Error("the guest was restarted")
	}
}

// powerCut does what a reboot of the machine does: all processes, interfaces and
// namespaces are gone, and the next boot has another id. Guests come back as
// their owner left them.
func (s *session) powerCut(t *testing.T) {
	demo := s.demo.in(t)
	demo.show("server create --image kumoi-guest --flavor tiny --network private --wait off")
	demo.ok("server stop off")
	eventually(t, "the second server to be off", time.Minute, func() bool { return demo.show("server show off").str("status") == "SHUTOFF" })
	g := guest{addr: s.firstAddress(t), key: s.key, user: "kumoi"}
	g.reach(t, "touch kept; sync")
	boot := g.reach(t, "cat /proc/sys/kernel/random/boot_id")

	s.cutPower()
	start := time.Now()
	s.kumoi("up", "--detach")
	if got := g.reach(t, "cat /proc/sys/kernel/random/boot_id; ls kept"); strings.Contains(got, boot) || !strings.Contains(got, "kept") {
		t.Errorf("after the power cut the guest says %q; before, its boot was %s", got, boot)
	}
	t.Logf("the guest answers again %s after the boot", time.Since(start).Round(100*time.Millisecond))
	for name, want := range map[string]string{"first": "ACTIVE", "off": "SHUTOFF"} {
		if got := demo.show("server show {}", name).str("status"); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	demo.ok("server start off")
	eventually(t, "the second server to start", time.Minute, func() bool { return demo.show("server show off").str("status") == "ACTIVE" })
	demo.ok("server delete --wait off")
}

func (s *session) look(t *testing.T) {
	id := s.demo.in(t).show("server show first").str("id")
	text := s.kumoi("explain", "server", id)
	t.Log(text)
	if !strings.Contains(text, "host") {
		t.Error("the explanation names no host")
	}
	t.Log(s.kumoi("admin", "saga", "list", "--limit", "5"))
	t.Log(s.kumoi("admin", "task", "list"))
	t.Log(s.kumoi("status"))
	if out := s.kumoi("admin", "saga", "list", "--state", "stuck", "--format", "json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("stuck sagas: %s", out)
	}
	resp, err := http.Get("http://" + listen + "/compute/v2.1/servers")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", resp.StatusCode)
	}
}

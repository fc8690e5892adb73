//go:build realdeps

package hoststack

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSystemDaemonsAreUsed plays a machine on which systemd runs everything: daemons
// on their standard paths, and a systemctl that says that they are active.
func TestSystemDaemonsAreUsed(t *testing.T) {
	dir := t.TempDir()
	sh(t, `mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/system /run/openvswitch /run/ovn /run/libvirt
for d in /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do mount -t tmpfs -o mode=711 tmpfs $d; done
mount -t tmpfs -o mode=755 tmpfs /etc/libvirt
mkdir -p /var/lib/libvirt/qemu /var/log/libvirt/qemu /etc/libvirt/qemu
printf 'auth_unix_rw = "none"\nauth_unix_ro = "none"\nhost_uuid = "00000000-0000-4000-8000-000000000009"\n' > /etc/libvirt/libvirtd.conf
printf 'security_driver = "none"\n' > /etc/libvirt/qemu.conf`)
	t.Cleanup(func() {
		_ = exec.Command("sh", "-c", `for f in `+dir+`/*.pid; do kill -9 $(cat $f) 2>/dev/null || true; done
for d in /etc/libvirt /var/cache/libvirt /var/log/libvirt /var/lib/libvirt /run; do umount -l $d; done
for i in br-kumoi br-int ovs-netdev; do ip tuntap del dev $i mode tap 2>/dev/null || true; done`).Run()
	})
	daemon := `d() { n=$1; p=$2; shift 2; $p --detach --no-chdir --pidfile=` + dir + `/$n.pid -vconsole:off -vsyslog:off "$@"; }
`
	sh(t, daemon+`cd `+dir+`
ovsdb-tool create c.db `+vswitchSchema+`; ovsdb-tool create n.db `+nbSchema+`; ovsdb-tool create s.db `+sbSchema+`
d db ovsdb-server --remote=punix:`+systemOVSSocket+` --unixctl=$PWD/db.ctl $PWD/c.db
ovs-vsctl --db=unix:`+systemOVSSocket+` --no-wait init
d vs ovs-vswitchd --unixctl=$PWD/vs.ctl unix:`+systemOVSSocket+`
d nb ovsdb-server --remote=punix:`+systemNBSocket+` --unixctl=$PWD/nb.ctl $PWD/n.db
d sb ovsdb-server --remote=punix:`+systemSBSocket+` --unixctl=$PWD/sb.ctl $PWD/s.db
d no ovn-northd --unixctl=$PWD/no.ctl --ovnnb-db=unix:`+systemNBSocket+` --ovnsb-db=unix:`+systemSBSocket+`
d oc ovn-controller unix:`+systemOVSSocket+`
virtlogd -d -p $PWD/vl.pid; libvirtd -d -p $PWD/lv.pid`)
	tools := filepath.Join(dir, "bin")
	if err := os.MkdirAll(tools, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tools, "systemctl"), []byte("#!/bin/sh\necho active\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", tools+":"+os.Getenv("PATH"))

	cfg := testConfig(t, notAlone{})
	s := up(t, cfg)
	for _, c := range s.Health(t.Context()) {
		t.Logf("%+v", c)
		if c.State != StateRunning || (c.Name != outside && c.Managed != "system") {
			t.Errorf("%s is %s, managed by %s: %s", c.Name, c.State, c.Managed, c.Detail)
		}
	}
	if s.LibvirtSocket() != systemLibvirtSocket || s.OVSRemote() != "unix:"+systemOVSSocket || s.NBRemote() != "unix:"+systemNBSocket {
		t.Errorf("sockets: %s %s %s", s.LibvirtSocket(), s.OVSRemote(), s.NBRemote())
	}
	wire(t, s)
	startGuest(t, s, cfg)
	waitFor(t, "guest answers", 3*time.Minute, func() bool { return pings(t.Context(), guestIP) })

	s.Close()
	if err := Down(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	conn := libvirtConn(t, s)
	if n, err := conn.ConnectNumOfDomains(); err != nil || n != 0 {
		t.Errorf("%d guests are left (%v)", n, err)
	}
	if err := Purge(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if _, n, err := conn.ConnectListAllDomains(1, 0); err != nil || n != 0 {
		t.Errorf("libvirt still knows %d guests (%v)", n, err)
	}
	left := sh(t, "ovs-vsctl --db=unix:"+systemOVSSocket+" --bare -- list-br -- get Open_vSwitch . external_ids")
	// br-int is the system's ovn-controller's own, which makes it whenever it runs.
	if strings.Contains(left, "br-kumoi") || strings.Contains(left, "ovn-remote") || strings.Contains(left, "kumoi") {
		t.Errorf("left in the system's switch: %s", left)
	}
	for _, name := range []string{"db", "vs", "nb", "sb", "no", "oc", "vl", "lv"} {
		sh(t, "kill -0 $(cat "+filepath.Join(dir, name+".pid")+")")
	}
}

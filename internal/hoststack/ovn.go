package hoststack

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	systemNBSocket = "/run/ovn/ovnnb_db.sock"
	systemSBSocket = "/run/ovn/ovnsb_db.sock"
	nbSchema       = "/usr/share/ovn/ovn-nb.ovsschema"
	sbSchema       = "/usr/share/ovn/ovn-sb.ovsschema"
)

func (s *Stack) northbound() *daemon {
	dir := s.paths.ovn("")
	return s.database(ovnNB, dir, "nb", "nb.db", nbSchema, "punix:"+filepath.Join(dir, "nb.sock"))
}

func (s *Stack) southbound() *daemon {
	dir := s.paths.ovn("")
	d := s.database(ovnSB, dir, "sb", "sb.db", sbSchema, "punix:"+filepath.Join(dir, "sb.sock"), "db:OVN_Southbound,SB_Global,connections")
	// Where other hosts may come in, and with which certificates, is in the
	// database itself, so that it can change while it runs.
	d.args = append(d.args, "--private-key=db:OVN_Southbound,SSL,private_key", "--certificate=db:OVN_Southbound,SSL,certificate",
		"--ca-cert=db:OVN_Southbound,SSL,ca_cert")
	d.started = s.openSouthbound
	return d
}

func (s *Stack) northd() *daemon {
	d := s.ovsDaemon(ovnNorthd, "ovn-northd", s.paths.ovn(""), "northd")
	d.args = append(d.args, "--ovnnb-db="+s.NBRemote(), "--ovnsb-db="+s.SBRemote())
	return d
}

// controller describes ovn-controller, which does not know --unixctl: its control
// socket is named after its pid, so those of its forerunners are swept.
func (s *Stack) controller() *daemon {
	dir := s.paths.ovn("")
	d := s.ovsDaemon(ovnController, "ovn-controller", dir, "controller")
	d.args = append([]string{"--detach", "--monitor", "--no-chdir", "--pidfile=" + d.pidfile}, quiet(d.log)...)
	d.args = append(d.args, s.accessArgs()...)
	d.args = append(d.args, s.ovsRemote())
	d.version = func(ctx context.Context, pid int) (string, error) {
		return call(ctx, s.controllerSocket(pid), "version")
	}
	d.answers = func(ctx context.Context, pid int) error { _, err := d.version(ctx, pid); return err }
	d.prepare = func(ctx context.Context) error {
		stale, _ := filepath.Glob(filepath.Join(dir, "ovn-controller.*.ctl"))
		for _, f := range stale {
			_ = os.Remove(f)
		}
		return s.setFlowGrace(ctx)
	}
	return d
}

func (s *Stack) controllerSocket(pid int) string {
	return s.paths.ovn("ovn-controller." + strconv.Itoa(pid) + ".ctl")
}

// setFlowGrace makes a restarted ovn-controller compute its flows before it throws
// away the old ones, so that guests' packets keep passing. On a switch without
// flows there is nothing to keep and no reason to wait.
func (s *Stack) setFlowGrace(ctx context.Context) error {
	wait := 0
	if linkExists(IntegrationBridge) {
		if flows, err := run(ctx, s.ovsEnv(), "ovs-ofctl", "dump-aggregate", s.bridgeSocket(IntegrationBridge)); err == nil && !noFlows(flows) {
			wait = 1000
		}
	}
	_, err := s.vsctl(ctx, "--no-wait", "set", "Open_vSwitch", ".", fmt.Sprintf("external_ids:ovn-ofctrl-wait-before-clear=%d", wait))
	return err
}

func noFlows(aggregate string) bool { return strings.Contains(aggregate, "flow_count=0") }

// bridgeSocket is where vswitchd offers a bridge's OpenFlow to tools on the machine.
func (s *Stack) bridgeSocket(bridge string) string {
	dir := s.paths.ovs("")
	if s.system[vswitchd] {
		dir = filepath.Dir(systemOVSSocket)
	}
	return "unix:" + filepath.Join(dir, bridge+".mgmt")
}

// dialable tells whether something listens on the unix socket.
func dialable(ctx context.Context, socket string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	return conn.Close()
}

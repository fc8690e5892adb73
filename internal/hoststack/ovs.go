package hoststack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
)

const (
	systemOVSSocket = "/run/openvswitch/db.sock"
	vswitchSchema   = "/usr/share/openvswitch/vswitch.ovsschema"
)

// quiet keeps OVS and OVN daemons off the console and off syslog.
func quiet(log string) []string {
	return []string{"-vconsole:off", "-vsyslog:off", "-vfile:info", "--log-file=" + log}
}

// ovsDaemon describes what all programs of OVS and OVN have in common. They detach
// once they are ready, and --monitor restarts one that crashes even while no Kumoi
// is there to do it.
func (s *Stack) ovsDaemon(name, program, dir, short string) *daemon {
	at := func(suffix string) string { return filepath.Join(dir, short+suffix) }
	d := &daemon{
		name: name, program: program, pidfile: at(".pid"), log: at(".log"), detaches: true,
		env:    s.ovsEnv(),
		logger: s.log,
	}
	d.args = append([]string{"--detach", "--monitor", "--no-chdir", "--pidfile=" + d.pidfile, "--unixctl=" + at(".ctl")}, quiet(d.log)...)
	d.version = func(ctx context.Context, _ int) (string, error) { return call(ctx, at(".ctl"), "version") }
	d.answers = func(ctx context.Context, pid int) error { _, err := d.version(ctx, pid); return err }
	return d
}

// ovsEnv points every tool of OVS and OVN, and libvirtd's calls of them, at our
// own directories.
func (s *Stack) ovsEnv() []string {
	ovs := s.paths.ovs("")
	if s.system[ovsdbServer] {
		ovs = filepath.Dir(systemOVSSocket)
	}
	ovn := s.paths.ovn("")
	return []string{
		"OVS_RUNDIR=" + ovs, "OVS_LOGDIR=" + s.paths.ovs(""), "OVS_DBDIR=" + s.paths.ovs(""),
		"OVN_RUNDIR=" + ovn, "OVN_LOGDIR=" + ovn, "OVN_DBDIR=" + ovn,
		// One arena: these are single-threaded where it matters, and each
		// further arena costs megabytes that are never returned.
		"MALLOC_ARENA_MAX=1",
	}
}

// database describes an ovsdb-server that serves one database file.
func (s *Stack) database(name, dir, short, db, schema string, remotes ...string) *daemon {
	d := s.ovsDaemon(name, "ovsdb-server", dir, short)
	file := filepath.Join(dir, db)
	for _, r := range remotes {
		d.args = append(d.args, "--remote="+r)
	}
	d.args = append(d.args, file)
	d.prepare = func(ctx context.Context) error { return prepareDatabase(ctx, file, schema) }
	socket := filepath.Join(dir, short+".sock")
	d.answers = func(ctx context.Context, _ int) error { _, err := call(ctx, socket, "echo"); return err }
	return d
}

// prepareDatabase creates the file from the schema, or converts it when a newer
// package has brought a newer schema.
func prepareDatabase(ctx context.Context, file, schema string) error {
	_, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = run(ctx, nil, "ovsdb-tool", "create", file, schema)
		return err
	}
	if err != nil {
		return err
	}
	needs, err := run(ctx, nil, "ovsdb-tool", "needs-conversion", file, schema)
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "The database %s is damaged; move it away and start again.", file)
	}
	if needs == "yes" {
		_, err = run(ctx, nil, "ovsdb-tool", "convert", file, schema)
	}
	return err
}

func (s *Stack) vswitchd() *daemon {
	d := s.ovsDaemon(vswitchd, "ovs-vswitchd", s.paths.ovs(""), "vswitchd")
	d.args = append(d.args, s.ovsRemote())
	d.started = func(ctx context.Context, _ bool) error { return s.ensureNetwork(ctx) }
	return d
}

// vsctl runs ovs-vsctl against the switch that this stack uses.
func (s *Stack) vsctl(ctx context.Context, args ...string) (string, error) {
	return run(ctx, s.ovsEnv(), "ovs-vsctl", append([]string{"--db=" + s.ovsRemote(), "--timeout=20"}, args...)...)
}

// detectDatapath chooses between the kernel's switch and the one in userspace.
func (s *Stack) detectDatapath(ctx context.Context) (Datapath, error) {
	if s.cfg.Datapath == DatapathNetdev {
		return DatapathNetdev, nil
	}
	if KernelDatapath(ctx) {
		return DatapathSystem, nil
	}
	if s.cfg.Datapath == DatapathSystem {
		return "", errs.New(errs.Unavailable, "The kernel has no openvswitch module; use --datapath netdev or a kernel that has it.")
	}
	return DatapathNetdev, nil
}

// KernelDatapath tells whether the running kernel has Open vSwitch's module. A
// module that is merely installed for another kernel does not count.
func KernelDatapath(ctx context.Context) bool {
	if _, err := os.Stat("/sys/module/openvswitch"); err == nil {
		return true
	}
	_, err := run(ctx, nil, "modprobe", "openvswitch")
	if err != nil {
		return false
	}
	_, err = os.Stat("/sys/module/openvswitch")
	return err == nil
}

// configureSwitch writes what vswitchd and ovn-controller read from the switch's
// database. It is one transaction and says the same on every start. It does not
// wait for vswitchd, which may not run yet.
func (s *Stack) configureSwitch(ctx context.Context) error {
	current, err := s.vsctl(ctx, "--no-wait", "--", "init", "--", "--if-exists", "get", "Open_vSwitch", ".", "external_ids:ovn-remote",
		"--", "--if-exists", "get", "Open_vSwitch", ".", "external_ids:kumoi-data-dir")
	if err != nil {
		return err
	}
	remote, owner, _ := strings.Cut(current, "\n")
	remote, owner = strings.Trim(remote, `"`), strings.Trim(owner, `"`)
	if remote != "" && owner != s.paths.dataDir {
		return errs.New(errs.Conflict, "Open vSwitch on this machine is already a chassis of the OVN at %s; remove external_ids:ovn-remote from its Open_vSwitch table if Kumoi may take it.", remote)
	}
	set := []string{
		"external_ids:kumoi-data-dir=" + s.paths.dataDir,
		"external_ids:system-id=" + s.cfg.SystemID,
		"external_ids:hostname=" + s.cfg.HostName,
		`external_ids:ovn-remote="` + s.cfg.sbRemote(s.SBRemote()) + `"`,
		"external_ids:ovn-encap-type=geneve",
		`external_ids:ovn-encap-ip="` + s.cfg.EncapIP.String() + `"`,
		"external_ids:ovn-bridge=" + IntegrationBridge,
		"external_ids:ovn-bridge-datapath-type=" + string(s.datapath),
		"external_ids:ovn-bridge-mappings=" + OutsideNetwork + ":" + s.cfg.OutsideBridge,
		// Next to the database, watching all of it is cheaper than a round trip
		// for each new condition, and a port is up sooner. A remote chassis
		// watches only what concerns it.
		fmt.Sprintf("external_ids:ovn-monitor-all=%t", s.cfg.Central),
		"external_ids:ovn-remote-probe-interval=30000",
		"external_ids:ovn-openflow-probe-interval=0",
	}
	args := append([]string{"--no-wait", "set", "Open_vSwitch", "."}, set...)
	for _, bridge := range []string{IntegrationBridge, s.cfg.OutsideBridge} {
		args = append(args, "--", "--may-exist", "add-br", bridge,
			"--", "set", "Bridge", bridge, "datapath_type="+string(s.datapath), "external_ids:kumoi=true")
	}
	args = append(args, "--", "set", "Bridge", IntegrationBridge, "fail_mode=secure", "other_config:disable-in-band=true")
	_, err = s.vsctl(ctx, args...)
	return err
}

// waitBridges waits until vswitchd has made the bridges' interfaces.
func (s *Stack) waitBridges(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for _, bridge := range []string{IntegrationBridge, s.cfg.OutsideBridge} {
		if !poll(ctx, 5*time.Millisecond, func() bool { return linkExists(bridge) }) {
			why, _ := s.vsctl(context.WithoutCancel(ctx), "--if-exists", "get", "Interface", bridge, "error")
			return errs.New(errs.Unavailable, "Open vSwitch did not make the bridge %s: %s", bridge, why)
		}
	}
	return nil
}

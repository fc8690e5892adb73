package hoststack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket/dialers"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Down ends every guest and every program of this data directory, and takes back
// what they and Kumoi made on the machine. The data stays: the next Up continues
// from it. It goes on past failures and reports all of them.
func Down(ctx context.Context, cfg Config) error { return down(ctx, cfg, false) }

func down(ctx context.Context, cfg Config, purge bool) error {
	// Whatever roles the data directory had, all of it ends.
	cfg.Central, cfg.Host, cfg.SBRemote, cfg.SBAccess, cfg.UnderlayInterface = true, true, "", nil, ""
	s, err := newStack(ctx, cfg)
	if err != nil {
		return err
	}
	if _, err := os.Stat(s.paths.bootID()); errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was ever started here
	}
	st, err := s.paths.readState()
	if err != nil {
		return err
	}
	failures := []error{s.downGuests(ctx, purge)}
	failures = append(failures, s.downNetwork(ctx)...)
	failures = append(failures, removeOutside(ctx, st))
	if st.Underlay != nil && linkExists(st.Underlay.Interface) {
		failures = append(failures, st.Underlay.moveTo(st.Underlay.Interface, underlayBridge))
	}
	failures = append(failures, removeInterfaces(), st.restoreKVM(), s.removeTraces(st))
	return errors.Join(failures...)
}

// Purge is Down, and then removes what the stack has stored. Whatever else is in
// the data directory is its owner's to remove.
func Purge(ctx context.Context, cfg Config) error {
	if err := down(ctx, cfg, true); err != nil {
		return fmt.Errorf("the data in %s is kept, because something of it may still be in use: %w", cfg.DataDir, err)
	}
	l := newLayout(cfg.DataDir)
	l.base = l.dataDir
	var failures []error
	for _, path := range []string{l.ovs(""), l.ovn(""), l.libvirt(""), l.state(), l.bootID()} {
		failures = append(failures, os.RemoveAll(path))
	}
	return errors.Join(failures...)
}

// downGuests destroys guests through libvirt while it answers, so that their ports
// leave the switch, then whatever is left by pid, then libvirt itself. A libvirtd of
// the system goes on, and so do the guests in it that are not ours.
func (s *Stack) downGuests(ctx context.Context, purge bool) error {
	if s.system[libvirtd] {
		if err := s.destroyGuests(ctx, s.LibvirtSocket(), purge); err != nil {
			return err
		}
	}
	s.system[libvirtd] = false // there may be one of ours, from before
	daemon := s.libvirtd()
	var failures []error
	if _, ok := daemon.running(); ok {
		if err := s.destroyGuests(ctx, s.LibvirtSocket(), purge); err != nil {
			s.log.Warn("libvirt does not end its guests; they are ended by pid", "error", err)
		}
	}
	failures = append(failures, daemon.stop(ctx), s.endProbes(ctx))
	g, gctx := errgroup.WithContext(ctx)
	for _, p := range s.guests() {
		g.Go(func() error { return p.stop(gctx, 5*time.Second) })
	}
	failures = append(failures, g.Wait(), s.virtlogd().stop(ctx))
	return errors.Join(failures...)
}

// destroyGuests ends the running guests that have a file in the data directory, as
// all of ours do; to purge is to make libvirt forget them too.
func (s *Stack) destroyGuests(ctx context.Context, socket string, purge bool) error {
	conn := libvirt.NewWithDialer(dialers.NewLocal(dialers.WithSocket(socket), dialers.WithLocalTimeout(10*time.Second)))
	if err := conn.ConnectToURI(libvirt.QEMUSystem); err != nil {
		return err
	}
	defer func() { _ = conn.Disconnect() }()
	which := libvirt.ConnectListDomainsActive
	if purge {
		which |= libvirt.ConnectListDomainsInactive
	}
	domains, _, err := conn.ConnectListAllDomains(1, which)
	if err != nil {
		return err
	}
	g, _ := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, dom := range domains {
		g.Go(func() error {
			xml, err := conn.DomainGetXMLDesc(dom, 0)
			if libvirt.IsNotFound(err) || err == nil && !strings.Contains(xml, s.paths.dataDir+"/") {
				return nil
			}
			if err != nil {
				return err
			}
			s.log.Info("destroying guest", "name", dom.Name)
			return endGuest(conn, dom, purge)
		})
	}
	return g.Wait()
}

func endGuest(conn *libvirt.Libvirt, dom libvirt.Domain, forget bool) error {
	if active, err := conn.DomainIsActive(dom); err == nil && active == 1 {
		if err := conn.DomainDestroy(dom); err != nil && !libvirt.IsNotFound(err) {
			return fmt.Errorf("destroy guest %s: %w", dom.Name, err)
		}
	}
	if !forget {
		return nil
	}
	const all = libvirt.DomainUndefineManagedSave | libvirt.DomainUndefineSnapshotsMetadata |
		libvirt.DomainUndefineNvram | libvirt.DomainUndefineCheckpointsMetadata
	if err := conn.DomainUndefineFlags(dom, all); err != nil && !libvirt.IsNotFound(err) {
		return fmt.Errorf("undefine guest %s: %w", dom.Name, err)
	}
	return nil
}

// downNetwork ends the network's programs in the order in which each can still
// clean up behind itself.
func (s *Stack) downNetwork(ctx context.Context) []error {
	var failures []error
	fail := func(err error) {
		if err != nil {
			failures = append(failures, err)
		}
	}
	if s.system[ovsdbServer] {
		fail(s.releaseSystemSwitch(ctx))
	}
	// Asked to exit, it takes its chassis out of the southbound database; a
	// signal would end it as it stands.
	control := s.controller()
	if p, ok := control.running(); ok {
		if _, err := call(ctx, s.controllerSocket(p.pid), "exit"); err == nil {
			p.gone(ctx, 5*time.Second)
		}
	}
	fail(control.stop(ctx))
	fail(s.northd().stop(ctx))

	s.system[ovsdbServer] = false
	sw := s.vswitchd()
	if p, ok := sw.running(); ok {
		if bridges, err := s.vsctl(ctx, "list-br"); err == nil {
			args := []string{}
			for _, b := range strings.Fields(bridges) {
				args = append(args, "--", "--if-exists", "del-br", b)
			}
			if len(args) > 0 {
				_, err := s.vsctl(ctx, args[1:]...)
				fail(err)
			}
		}
		// With --cleanup it also takes its datapath out of the kernel.
		if _, err := call(ctx, s.paths.ovs("vswitchd.ctl"), "exit", "--cleanup"); err == nil {
			p.gone(ctx, 5*time.Second)
		}
	}
	fail(sw.stop(ctx))
	// A vswitchd that was killed has left its interfaces.
	for _, tap := range []string{s.cfg.OutsideBridge, IntegrationBridge, underlayBridge, "ovs-netdev"} {
		fail(removeTap(tap))
	}
	for _, d := range []*daemon{s.switchDatabase(), s.northbound(), s.southbound()} {
		fail(d.stop(ctx))
	}
	return failures
}

// releaseSystemSwitch takes our bridges and settings out of a switch that the
// system runs and keeps.
func (s *Stack) releaseSystemSwitch(ctx context.Context) error {
	owner, err := s.vsctl(ctx, "--if-exists", "get", "Open_vSwitch", ".", "external_ids:kumoi-data-dir")
	if err != nil || strings.Trim(owner, `"`) != s.paths.dataDir {
		return err
	}
	keys := []string{
		"kumoi-data-dir", "system-id", "hostname", "ovn-remote", "ovn-encap-type", "ovn-encap-ip", "ovn-bridge",
		"ovn-bridge-datapath-type", "ovn-bridge-mappings", "ovn-monitor-all", "ovn-remote-probe-interval",
		"ovn-openflow-probe-interval", "ovn-ofctrl-wait-before-clear",
	}
	args := append([]string{"--no-wait", "remove", "Open_vSwitch", ".", "external_ids"}, keys...)
	bridges, err := s.vsctl(ctx, "--bare", "--columns=name", "find", "Bridge", "external_ids:kumoi=true")
	if err != nil {
		return err
	}
	for _, b := range strings.Fields(bridges) {
		args = append(args, "--", "--if-exists", "del-br", b)
	}
	_, err = s.vsctl(ctx, args...)
	return err
}

// removeInterfaces deletes interfaces that carry our name in this network namespace,
// and the namespaces at the other end of their cables. Another Kumoi's namespaces,
// which "ip netns" lists too, have their cables elsewhere and stay.
func removeInterfaces() error {
	links, err := netlink.LinkList()
	if err != nil {
		return err
	}
	var failures []error
	cables := map[[2]int]bool{} // both ends' indexes, each in its own namespace
	for _, l := range links {
		name := l.Attrs().Name
		if !strings.HasPrefix(name, "kumoi") && !strings.HasPrefix(name, "kmd") {
			continue
		}
		cables[[2]int{l.Attrs().Index, l.Attrs().ParentIndex}] = true
	}
	failures = append(failures, removeNamespaces(cables))
	for _, l := range links {
		name := l.Attrs().Name
		if !cables[[2]int{l.Attrs().Index, l.Attrs().ParentIndex}] || !linkExists(name) {
			continue
		}
		if err := netlink.LinkDel(l); err != nil && linkExists(name) {
			failures = append(failures, fmt.Errorf("remove interface %s: %w", name, err))
		}
	}
	return errors.Join(failures...)
}

func removeNamespaces(cables map[[2]int]bool) error {
	files, _ := filepath.Glob("/run/netns/kumoi*")
	var failures []error
	for _, f := range files {
		ours, err := hasCable(f, cables)
		if err == nil && ours {
			err = netns.DeleteNamed(filepath.Base(f))
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("remove network namespace %s: %w", filepath.Base(f), err))
		}
	}
	return errors.Join(failures...)
}

// hasCable tells whether one end of a cable is in the named namespace.
func hasCable(file string, cables map[[2]int]bool) (bool, error) {
	ns, err := netns.GetFromPath(file)
	if err != nil {
		return false, err
	}
	defer func() { _ = ns.Close() }()
	inside, err := netlink.NewHandleAt(ns)
	if errors.Is(err, unix.EINVAL) {
		return false, nil // a mere file: its namespace went with a reboot
	}
	if err != nil {
		return false, err
	}
	defer inside.Close()
	links, err := inside.LinkList()
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(links, func(l netlink.Link) bool {
		return l.Type() == "veth" && cables[[2]int{l.Attrs().ParentIndex, l.Attrs().Index}]
	}), nil
}

// removeTraces removes sockets, the short link and the mount points that were made,
// and forgets what has been put back.
func (s *Stack) removeTraces(st state) error {
	for _, dir := range []string{s.paths.ovs(""), s.paths.ovn("")} {
		for _, pattern := range []string{"*.ctl", "*.sock", "*.mgmt", "*.snoop"} {
			files, _ := filepath.Glob(filepath.Join(dir, pattern))
			for _, f := range files {
				_ = os.Remove(f)
			}
		}
	}
	_ = os.RemoveAll(s.paths.libvirt("run"))
	slices.Reverse(st.MadeDirs)
	for _, dir := range st.MadeDirs {
		_ = os.Remove(dir) // only if nobody else uses it by now
	}
	if s.paths.base != s.paths.dataDir {
		_ = os.Remove(s.paths.base)
	}
	removeControlGroups()
	err := os.Remove(s.paths.state())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// removeControlGroups removes what libvirt leaves where no systemd keeps order: the
// groups of guests that were ended by pid, and the one above them. The kernel
// refuses to remove one that still has members, such as another libvirt's guests.
func removeControlGroups() {
	for _, pattern := range []string{"/sys/fs/cgroup/machine", "/sys/fs/cgroup/*/machine"} {
		tops, _ := filepath.Glob(pattern)
		for _, top := range tops {
			var dirs []string
			_ = filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
				if err == nil && e.IsDir() {
					dirs = append(dirs, path)
				}
				return nil
			})
			for _, dir := range slices.Backward(dirs) {
				_ = os.Remove(dir)
			}
		}
	}
}

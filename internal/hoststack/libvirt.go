package hoststack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket/dialers"
	"golang.org/x/sys/unix"
)

const systemLibvirtSocket = "/run/libvirt/libvirt-sock"

// qemuUser is who guests run as.
type qemuUser struct {
	name, group string
	uid, gid    int
	why         string // when root, the reason
}

// chooseQEMUUser prefers the user that Debian's package makes for guests, with that
// user's own first group: it is kvm, and libvirt asks whether this user and group
// may open /dev/kvm each time it uses what it knows of QEMU. The user needs to pass
// through the data directory to a guest's disk: the directory's group is given to
// it, which opens nothing to anybody else. Directories above it are not ours to
// change; when one of them is closed, guests run as root.
func (s *Stack) chooseQEMUUser() qemuUser {
	root := func(why string) qemuUser { return qemuUser{name: "root", group: "root", why: why} }
	u, err := user.Lookup("libvirt-qemu")
	if err != nil {
		return root("there is no user libvirt-qemu; install libvirt-daemon-system")
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		return root("the group of the user libvirt-qemu has no name")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	for dir := filepath.Dir(s.paths.dataDir); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return root(fmt.Sprintf("the user libvirt-qemu may not pass through %s; choose a data directory below /var/lib to run guests unprivileged", dir))
		}
		if dir == "/" {
			break
		}
	}
	if err := openTo(s.paths.dataDir, passGroup(gid)); err != nil {
		return root(err.Error())
	}
	q := qemuUser{name: u.Username, group: g.Name, uid: uid, gid: gid}
	if err := s.openKVM(q); err != nil {
		s.log.Warn("guests cannot use /dev/kvm", "error", err)
	}
	return q
}

const kvmDevice = "/dev/kvm"

// openKVM gives the device to the guests' group where no udev has done so, as in a
// container. One that the guests' user cannot open is worse than none: libvirt sees
// it, finds it closed, and examines QEMU anew at each call.
func (s *Stack) openKVM(q qemuUser) error {
	if q.kvmUsable() == nil {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Stat(kvmDevice, &st); err != nil {
		return err
	}
	if err := s.remember(func(was *state) {
		if was.KVM == nil {
			was.KVM = &deviceAccess{GID: int(st.Gid), Mode: st.Mode & 0o777}
		}
	}); err != nil {
		return err
	}
	s.log.Info("opening /dev/kvm to guests", "group", q.group)
	if err := os.Chown(kvmDevice, -1, q.gid); err != nil {
		return err
	}
	return os.Chmod(kvmDevice, os.FileMode(st.Mode&0o777)|0o060)
}

// passGroup is the group by which the guests' user passes through a directory: the
// one of its own name, where Debian has made it a member, else its first.
func passGroup(primary int) int {
	if g, err := user.LookupGroup("libvirt-qemu"); err == nil {
		if gid, err := strconv.Atoi(g.Gid); err == nil {
			return gid
		}
	}
	return primary
}

// openTo lets a group pass through a directory that is closed to it.
func openTo(dir string, gid int) error {
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm()&0o001 != 0 {
		return err
	}
	if err := os.Chown(dir, -1, gid); err != nil {
		return err
	}
	return os.Chmod(dir, info.Mode().Perm()|0o010)
}

func (s *Stack) virtlogd() *daemon {
	d := s.libvirtDaemon(virtlogd, nil)
	socket := s.paths.libvirt("run/virtlogd-sock")
	d.prepare = func(context.Context) error { return s.writeLibvirtConfig("virtlogd.conf", virtlogdConf) }
	d.answers = func(ctx context.Context, _ int) error { return dialable(ctx, socket) }
	return d
}

func (s *Stack) libvirtd() *daemon {
	// libvirtd plugs guests into the switch by calling ovs-vsctl, which finds
	// our switch by its environment.
	d := s.libvirtDaemon(libvirtd, s.ovsEnv())
	d.oneCPU, d.hasGuests = true, true
	d.prepare = func(ctx context.Context) error {
		if err := s.endProbes(ctx); err != nil {
			return err
		}
		if err := s.writeLibvirtConfig("libvirtd.conf", fmt.Sprintf(libvirtdConf, s.cfg.hostUUID())); err != nil {
			return err
		}
		return s.writeLibvirtConfig("qemu.conf", fmt.Sprintf(qemuConf, s.qemu.name, s.qemu.group, guestNamespaces()))
	}
	d.answers = func(ctx context.Context, _ int) error { _, err := s.libvirtVersion(ctx); return err }
	d.started = func(context.Context, bool) error { s.watching.Go(s.warmLibvirt); return nil }
	return d
}

// warmLibvirt has libvirt examine QEMU before the first guest needs it. That takes
// seconds, once: libvirt keeps what it learns.
func (s *Stack) warmLibvirt() {
	conn := libvirt.NewWithDialer(dialers.NewLocal(dialers.WithSocket(s.LibvirtSocket())))
	if err := conn.ConnectToURI(libvirt.QEMUSystem); err != nil {
		return // libvirtd died; its watcher starts it, and with it this, again
	}
	// Close does not wait for libvirt's answer.
	hangUp := context.AfterFunc(s.ctx, func() { _ = conn.Disconnect() })
	defer func() {
		if hangUp() {
			_ = conn.Disconnect()
		}
	}()
	begin := time.Now()
	if _, err := conn.ConnectGetDomainCapabilities(nil, nil, nil, nil, 0); err != nil {
		if s.ctx.Err() == nil {
			s.log.Warn("libvirt cannot examine QEMU", "error", err)
		}
		return
	}
	s.log.Debug("libvirt has examined QEMU", "took", time.Since(begin).Round(time.Millisecond))
}

func (s *Stack) libvirtDaemon(program string, env []string) *daemon {
	d := &daemon{
		name: program, program: program,
		pidfile: s.paths.libvirt(program + ".pid"), log: s.paths.libvirt("log/" + program + ".log"),
		env: env, binds: s.paths.libvirtBinds(), logger: s.log,
	}
	d.args = []string{"-f", "/etc/libvirt/" + program + ".conf", "-p", d.pidfile}
	d.version = func(ctx context.Context, _ int) (string, error) { return run(ctx, nil, program, "--version") }
	return d
}

func (s *Stack) writeLibvirtConfig(name, text string) error {
	for _, b := range s.paths.libvirtBinds() {
		if err := s.ensureMountPoint(b[1]); err != nil {
			return err
		}
	}
	return os.WriteFile(s.paths.libvirt("etc/"+name), []byte(text), 0o600)
}

// libvirtVersion makes a full round trip: libvirtd accepts connections before its
// drivers are ready and answers only after.
func (s *Stack) libvirtVersion(ctx context.Context) (string, error) {
	if err := dialable(ctx, s.LibvirtSocket()); err != nil {
		return "", err
	}
	timeout := 5 * time.Second
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline)
	}
	conn := libvirt.NewWithDialer(dialers.NewLocal(dialers.WithSocket(s.LibvirtSocket()), dialers.WithLocalTimeout(timeout)))
	if err := conn.ConnectToURI(libvirt.QEMUSystem); err != nil {
		return "", err
	}
	defer func() { _ = conn.Disconnect() }()
	v, err := conn.ConnectGetLibVersion()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("libvirtd (libvirt) %d.%d.%d", v/1000000, v/1000%1000, v%1000), nil
}

// guests lists our libvirt's running guests, from the pidfiles that it keeps in its
// run directory.
func (s *Stack) guests() []process {
	return emulators(s.paths.libvirt("run/qemu/*.pid"), func(file string) string {
		return "guest=" + strings.TrimSuffix(filepath.Base(file), ".pid") + ","
	})
}

// probes lists the emulators that libvirt had started to examine QEMU and did not
// live to end.
func (s *Stack) probes() []process {
	return emulators(s.paths.libvirt("lib/qemu/qmp-*/qmp.pid"), func(file string) string {
		return filepath.Base(filepath.Dir(file)) + "/qmp.pid"
	})
}

// endProbes is for when no libvirtd runs that could still want them.
func (s *Stack) endProbes(ctx context.Context) error {
	var failures []error
	for _, p := range s.probes() {
		failures = append(failures, p.stop(ctx, time.Second))
	}
	dirs, _ := filepath.Glob(s.paths.libvirt("lib/qemu/qmp-*"))
	for _, dir := range dirs {
		failures = append(failures, os.RemoveAll(dir))
	}
	return errors.Join(failures...)
}

// emulators lists the running QEMU processes behind pidfiles, if their command lines
// hold what the file leads one to expect: a pid may since have gone to another.
func emulators(pidfiles string, expect func(file string) string) []process {
	files, _ := filepath.Glob(pidfiles)
	var out []process
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
		if err != nil || pid <= 1 {
			continue
		}
		exe, _ := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
		start, ok := startTime(pid)
		if ok && strings.Contains(filepath.Base(exe), "qemu") && strings.Contains(strings.Join(cmdline(pid), " "), expect(f)) {
			out = append(out, process{pid, start})
		}
	}
	return out
}

// kvmUsable reports why guests cannot open /dev/kvm, if they cannot. A machine
// without the device needs no permission: its guests are emulated.
func (q qemuUser) kvmUsable() error {
	var st unix.Stat_t
	if err := unix.Stat(kvmDevice, &st); err != nil || q.uid == 0 {
		return nil
	}
	if st.Mode&0o006 == 0o006 || int(st.Gid) == q.gid && st.Mode&0o060 == 0o060 {
		return nil
	}
	return fmt.Errorf("%s is closed to %s; run: chgrp %s %s && chmod 660 %s", kvmDevice, q.name, q.group, kvmDevice, kvmDevice)
}

// guestNamespaces are those that libvirt makes for each guest. Its private /dev
// hides all devices but the guest's own; it can build one from the kernel's devtmpfs,
// but not from what a container has as /dev, where a guest would find no terminals.
func guestNamespaces() string {
	raw, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return ""
	}
	kind := ""
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == "/dev" {
			kind = f[2] // the last one mounted there is the one in sight
		}
	}
	if kind != "devtmpfs" {
		return ""
	}
	return `"mount"`
}

// Logs go to files of limited size through virtlogd, which guests' consoles use
// too: a guest that prints for ever must not fill the disk.
const virtlogdConf = `log_level = 3
log_outputs = "3:stderr"
max_size = 2097152
max_backups = 2
`

const libvirtdConf = `listen_tls = 0
listen_tcp = 0
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_ro_perms = "0700"
unix_sock_rw_perms = "0700"
log_level = 3
log_outputs = "3:stderr"
audit_level = 0
ovs_timeout = 30
host_uuid = "%s"
`

const qemuConf = `user = "%s"
group = "%s"
dynamic_ownership = 1
remember_owner = 0
security_driver = "none"
stdio_handler = "logd"
namespaces = [ %s ]
max_core = 0
dump_guest_core = 0
`

package diskimage

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// init turns the process into a tool if its parent has started it for that.
// Only the program itself can set namespaces, limits and rights between its
// start and a tool's, so it starts itself.
func init() {
	if len(os.Args) != 2 || os.Args[0] != childName {
		return
	}
	runtime.LockOSThread()
	err := become(os.Args[1])
	// Only a failure comes back.
	status := os.NewFile(statusFile, "status")
	_, _ = fmt.Fprint(status, err) // a parent that has gone needs no word
	os.Exit(125)
}

// become shuts the process in and executes the tool.
func become(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	unix.CloseOnExec(statusFile)
	if !o.Open {
		if err := lonelyRoot(&o); err != nil {
			return err
		}
	}
	if err := dropRights(!o.User); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil { // a change of user forgot it
		return fmt.Errorf("die with the parent: %w", err)
	}
	if o.Open {
		if err := landlock(o.Files); err != nil {
			return err
		}
	}
	if err := seccomp(); err != nil {
		return err
	}
	if len(o.Tool) == 0 {
		os.Exit(0)
	}
	return limitAndExecute(&o)
}

// limitAndExecute ends in the tool. From the moment that memory is limited, which
// we ourselves take more of, not even an argument may be made room for.
func limitAndExecute(o *order) error {
	path, err := syscall.BytePtrFromString(o.Tool[0])
	if err != nil {
		return err
	}
	args, err := syscall.SlicePtrFromStrings(o.Tool[1:])
	if err != nil {
		return err
	}
	env, err := syscall.SlicePtrFromStrings(os.Environ())
	if err != nil {
		return err
	}
	for _, l := range []struct {
		what  int
		value uint64
	}{
		{unix.RLIMIT_CORE, 0},
		{unix.RLIMIT_NOFILE, 64},
		{unix.RLIMIT_FSIZE, uint64(o.Limits.Size)},
		{unix.RLIMIT_CPU, uint64(max(o.Limits.CPU.Seconds(), 1))},
	} {
		if err := unix.Setrlimit(l.what, &unix.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("limit %d: %w", l.what, err)
		}
	}
	memory := unix.Rlimit{Cur: uint64(o.Limits.Memory), Max: uint64(o.Limits.Memory)}
	if _, _, errno := unix.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_AS, uintptr(unsafe.Pointer(&memory)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("limit memory: %w", errno)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&args[0])), uintptr(unsafe.Pointer(&env[0])))
	return fmt.Errorf("execute %s: %w", o.Tool[0], errno)
}

// systemDirs are what programs need of the system; those that are links stay links.
var systemDirs = []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}

// lonelyRoot changes to a root that holds the system's programs and
// libraries, to be read, and the tool's files. Every mount is taken by its
// path before the new root covers any of them.
func lonelyRoot(o *order) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("separate mounts: %w", err)
	}
	const at = "/usr" // is there wherever there are programs, and was taken before
	var mounts []mount
	take := func(path, to string, write, need bool) error {
		m, err := takeMount(path, to, write)
		if err != nil && need {
			return err
		}
		if err == nil {
			mounts = append(mounts, m)
		}
		return nil
	}
	if err := take(at, at, false, true); err != nil {
		return err
	}
	links := map[string]string{}
	for _, dir := range systemDirs {
		if to, err := os.Readlink(dir); err == nil {
			links[dir] = to
		} else if err := take(dir, dir, false, false); err != nil {
			return err
		}
	}
	for _, path := range []string{"/etc/ld.so.cache", "/etc/mke2fs.conf", "/dev/null", "/dev/urandom"} {
		if err := take(path, path, false, false); err != nil {
			return err
		}
	}
	if len(o.Tool) > 0 && !strings.HasPrefix(o.Tool[0], at+"/") {
		if err := take(o.Tool[0], o.Tool[0], false, true); err != nil {
			return err
		}
	}
	for i, f := range o.Files {
		if err := take(f.Path, (sandbox{}).name(i), f.Write, true); err != nil {
			return err
		}
	}
	if err := unix.Mount("sandbox", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=1m"); err != nil {
		return fmt.Errorf("new root: %w", err)
	}
	for dir, to := range links {
		if err := os.Symlink(to, at+dir); err != nil {
			return err
		}
	}
	for _, m := range mounts {
		if err := m.put(at); err != nil {
			return err
		}
	}
	return enter(at)
}

// enter makes a folder the root and forgets the old one.
func enter(root string) error {
	if err := unix.Chdir(root); err != nil {
		return err
	}
	if err := unix.Mount("", ".", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		return fmt.Errorf("close root: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("change root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave old root: %w", err)
	}
	return unix.Chdir("/")
}

// mount is a part of the old root on its way into the new one.
type mount struct {
	fd  int
	to  string
	dir bool
}

func takeMount(path, to string, write bool) (mount, error) {
	info, err := os.Stat(path)
	if err != nil {
		return mount{}, err
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return mount{}, fmt.Errorf("take %s: %w", path, err)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID}
	if info.Mode()&os.ModeDevice == 0 {
		attr.Attr_set |= unix.MOUNT_ATTR_NODEV
		if !write {
			attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
		}
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return mount{}, fmt.Errorf("guard %s: %w", path, err)
	}
	return mount{fd, to, info.IsDir()}, nil
}

// put mounts below root.
func (m mount) put(root string) error {
	path := root + m.to
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // nobody is to look into it
		return err
	}
	if m.dir {
		if err := os.MkdirAll(path, 0o755); err != nil { //nolint:gosec // as above
			return err
		}
	} else if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	if err := unix.MoveMount(m.fd, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount %s: %w", m.to, err)
	}
	return unix.Close(m.fd)
}

// dropRights gives up every right, for good. In a user namespace of our own we
// stay its only user, who outside is whoever started us.
func dropRights(toNobody bool) error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		// What the kernel does not know cannot be had; what we do not have
		// ourselves, we cannot drop and need not.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL && err != unix.EPERM {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	if toNobody && os.Geteuid() == 0 {
		if err := syscall.Setgroups([]int{nobody}); err != nil {
			return fmt.Errorf("leave groups: %w", err)
		}
		if err := syscall.Setresgid(nobody, nobody, nobody); err != nil {
			return fmt.Errorf("change group: %w", err)
		}
		if err := syscall.Setresuid(nobody, nobody, nobody); err != nil {
			return fmt.Errorf("change user: %w", err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	none := [2]unix.CapUserData{}
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

// landlockVersion is 0 where the kernel has no Landlock.
func landlockVersion() int {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// landlock lets the process open the system's programs and libraries and the
// tool's files, and nothing else. A kernel without it is doctor's to tell of.
func landlock(files []orderFile) error {
	version := landlockVersion()
	if version == 0 {
		return nil
	}
	const read = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	handled := uint64(unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1) // all of the first version
	write := uint64(unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE)
	if version >= 3 {
		handled |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
		write |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: handled}
	set, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr.Handled_access_fs), 0)
	if errno != 0 {
		return fmt.Errorf("landlock: %w", errno)
	}
	allow := func(path string, access uint64, need bool) error {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			if need {
				return fmt.Errorf("landlock: %s: %w", path, err)
			}
			return nil
		}
		defer unix.Close(fd)
		rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
		if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, set, unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
			return fmt.Errorf("landlock: %s: %w", path, errno)
		}
		return nil
	}
	for _, dir := range append([]string{"/usr"}, systemDirs...) {
		if err := allow(dir, read, false); err != nil {
			return err
		}
	}
	for _, path := range []string{"/etc/ld.so.cache", "/etc/mke2fs.conf", "/dev/null", "/dev/urandom"} {
		if err := allow(path, unix.LANDLOCK_ACCESS_FS_READ_FILE, false); err != nil {
			return err
		}
	}
	for i, f := range files {
		access := uint64(unix.LANDLOCK_ACCESS_FS_READ_FILE)
		if f.Write {
			access = write
		}
		if err := allow(sandbox{open: true}.name(i), access, true); err != nil {
			return err
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0); errno != 0 {
		return fmt.Errorf("landlock: %w", errno)
	}
	return unix.Close(int(set))
}

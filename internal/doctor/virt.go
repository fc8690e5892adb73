package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// VirtType is how QEMU runs guests, in libvirt's words.
type VirtType string

// KVM uses the processor's virtualisation; QEMU emulates, some ten times slower.
const (
	KVM  VirtType = "kvm"
	QEMU VirtType = "qemu"
)

const marker = "kumoi: userland reached"

// patience is how long a guest may take. A working KVM needs well under a second
// for both; the first words of a kernel come before it even unpacks itself.
type patience struct{ firstWord, userland time.Duration }

var kvmPatience = patience{firstWord: 3 * time.Second, userland: 12 * time.Second}

// verdict is a result of trying KVM, and what it holds for.
type verdict struct {
	Key    string   `json:"key"`
	Type   VirtType `json:"type"`
	Reason string   `json:"reason"`
}

// DetectVirt finds out whether guests run under KVM, by running one: there are
// machines whose /dev/kvm opens, whose firmware even starts, and on which no stock
// kernel boots. The answer is kept in dataDir, unless that is empty, for as long as
// the machine is not rebooted and neither QEMU nor the newest kernel changes.
func DetectVirt(ctx context.Context, dataDir string) (VirtType, string) {
	if _, err := os.Stat("/dev/kvm"); err != nil {
		return QEMU, "there is no /dev/kvm; the processor or the machine above this one does not offer virtualisation"
	}
	kernel, err := newestKernel("/boot")
	if err != nil {
		return QEMU, "KVM cannot be tried: " + err.Error()
	}
	key := virtKey(ctx, kernel)
	cache := ""
	if dataDir != "" {
		cache = filepath.Join(dataDir, "virt.json")
	}
	if v, ok := cachedVerdict(cache, key); ok {
		return v.Type, v.Reason
	}
	v := verdict{Key: key, Type: KVM, Reason: "a guest booted under KVM"}
	begin := time.Now()
	if err := tryBoot(ctx, kernel, "kvm", kvmPatience); err != nil {
		if ctx.Err() != nil {
			return QEMU, "KVM was not tried to the end: " + ctx.Err().Error()
		}
		v.Type, v.Reason = QEMU, err.Error()
	} else {
		v.Reason = fmt.Sprintf("a guest booted under KVM in %d ms", time.Since(begin).Milliseconds())
	}
	keepVerdict(cache, v)
	return v.Type, v.Reason
}

func virtKey(ctx context.Context, kernel string) string {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	version := ""
	if path, err := exec.LookPath(QEMUBinary()); err == nil {
		version = versionOf(ctx, path, "--version")
	}
	device := ""
	if info, err := os.Stat("/dev/kvm"); err == nil {
		device = info.Mode().String()
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			device += fmt.Sprintf("/%d", st.Gid)
		}
	}
	return strings.Join([]string{strings.TrimSpace(string(boot)), filepath.Base(kernel), version, device}, " ")
}

func cachedVerdict(file, key string) (verdict, bool) {
	var v verdict
	raw, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(raw, &v) != nil || v.Key != key {
		return verdict{}, false
	}
	return v, true
}

// keepVerdict saves the answer; a directory that is not there yet only means that
// the next one to ask tries again.
func keepVerdict(file string, v verdict) {
	if file == "" {
		return
	}
	if raw, err := json.MarshalIndent(v, "", "  "); err == nil {
		_ = os.WriteFile(file, raw, 0o600)
	}
}

// newestKernel is the last of Debian's kernels by name, with numbers in order.
func newestKernel(dir string) (string, error) {
	kernels, _ := filepath.Glob(filepath.Join(dir, "vmlinuz-*"))
	if len(kernels) == 0 {
		return "", errors.New("no kernel in " + dir + "; install linux-image-cloud-" + runtime.GOARCH)
	}
	return slices.MaxFunc(kernels, compareVersions), nil
}

// compareVersions orders strings so that runs of digits compare as numbers.
func compareVersions(a, b string) int {
	for a != "" && b != "" {
		ad, bd := digits(a), digits(b)
		if ad > 0 && bd > 0 {
			x, _ := strconv.ParseUint(a[:ad], 10, 64)
			y, _ := strconv.ParseUint(b[:bd], 10, 64)
			if x != y {
				if x < y {
					return -1
				}
				return 1
			}
			a, b = a[ad:], b[bd:]
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// tryBoot boots the kernel with an initial file system whose init says a sentence
// on the serial line.
func tryBoot(ctx context.Context, kernel, accel string, limit patience) error {
	qemu, err := exec.LookPath(QEMUBinary())
	if err != nil {
		return fmt.Errorf("%s is not installed", QEMUBinary())
	}
	dir, err := os.MkdirTemp("", "kumoi-virt-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// The guest user reads these; the kernel of some systems is for root alone.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	if err := writeInitramfs(filepath.Join(dir, "initrd")); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(dir, "vmlinuz"), kernel); err != nil {
		return err
	}
	return bootMarker(ctx, limit, guestUser(), qemu, bootArgs(dir, accel)...)
}

func bootArgs(dir, accel string) []string {
	machine, console := "pc", "console=ttyS0 earlyprintk=serial,ttyS0"
	if runtime.GOARCH == "arm64" {
		machine, console = "virt,gic-version=host", "console=ttyAMA0 earlycon"
	}
	cpu := "host"
	if accel != "kvm" {
		cpu = "max"
		machine = strings.TrimSuffix(machine, ",gic-version=host")
	}
	return []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-machine", machine, "-accel", accel, "-cpu", cpu, "-smp", "1", "-m", "192",
		"-serial", "stdio", "-kernel", filepath.Join(dir, "vmlinuz"), "-initrd", filepath.Join(dir, "initrd"),
		"-append", console + " panic=-1",
	}
}

// bootMarker runs QEMU until the guest has said its sentence.
func bootMarker(ctx context.Context, limit patience, credential *syscall.Credential, qemu string, args ...string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit.userland,
		fmt.Errorf("/dev/kvm opens and a kernel starts, but it does not reach userland within %s", limit.userland))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	silence := time.AfterFunc(limit.firstWord, func() {
		stop(fmt.Errorf("/dev/kvm opens, but a guest's kernel does not start within %s", limit.firstWord))
	})
	defer silence.Stop()

	serial := &serialLine{spoke: func() { silence.Stop() }, found: func() { stop(errReached) }}
	var complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, qemu, args...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = serial, &complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Pdeathsig: syscall.SIGKILL}
	// Pdeathsig follows the thread that started the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	if serial.reached {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	said := strings.TrimSpace(complaint.String())
	return fmt.Errorf("KVM does not run a guest: %s (%w)", said[strings.LastIndexByte(said, '\n')+1:], err)
}

var errReached = errors.New("userland reached")

// serialLine reads what a guest prints.
type serialLine struct {
	spoke, found func()
	tail         []byte
	reached      bool
}

func (w *serialLine) Write(p []byte) (int, error) {
	w.spoke()
	w.tail = append(w.tail, p...)
	if bytes.Contains(w.tail, []byte(marker)) {
		w.reached = true
		w.found()
	}
	w.tail = w.tail[max(0, len(w.tail)-len(marker)):]
	return len(p), nil
}

func writeInitramfs(file string) error {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return errors.New("busybox is not installed (package busybox-static)")
	}
	busybox, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	init := "#!/bin/busybox sh\n/bin/busybox echo '" + marker + "'\n/bin/busybox poweroff -f\n"
	if err := writeCPIO(f, []cpioFile{
		{name: "bin", mode: modeDir},
		{name: "dev", mode: modeDir},
		{name: "bin/busybox", mode: modeExec, data: busybox},
		{name: "init", mode: modeExec, data: []byte(init)},
	}); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

func copyFile(to, from string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, raw, 0o644)
}

// guestUser is the user that guests will run as, so that the trial meets the same
// permissions on /dev/kvm. Nil means as we are.
func guestUser() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("libvirt-qemu")
	if err != nil {
		return nil
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	c := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	groups, _ := u.GroupIds()
	for _, g := range groups {
		if n, err := strconv.ParseUint(g, 10, 32); err == nil {
			c.Groups = append(c.Groups, uint32(n))
		}
	}
	return c
}

func checkVirt(ctx context.Context, opts Options) Check {
	virt, reason := DetectVirt(ctx, opts.DataDir)
	if virt == KVM {
		return ok("kvm: %s", reason)
	}
	return warn("Nothing must be done; for speed, use a machine with hardware virtualisation (or nested virtualisation turned on).",
		"guests are emulated by QEMU: %s", reason)
}

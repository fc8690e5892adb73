package doctor

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNewestKernel(t *testing.T) {
	dir := t.TempDir()
	if _, err := newestKernel(dir); err == nil {
		t.Error("found a kernel in an empty directory")
	}
	for _, name := range []string{"vmlinuz-6.1.0-9-cloud-amd64", "vmlinuz-6.1.0-56-cloud-amd64", "vmlinuz-5.10.0-99-amd64"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := newestKernel(dir)
	if err != nil || filepath.Base(got) != "vmlinuz-6.1.0-56-cloud-amd64" {
		t.Errorf("newest kernel is %s (%v)", got, err)
	}
}

// The kernel's own reader is tested by DetectVirt; cpio(1) shows that the archive
// is well-formed without booting anything.
func TestCPIO(t *testing.T) {
	if _, err := exec.LookPath("cpio"); err != nil {
		t.Skip("cpio is not installed")
	}
	var buf bytes.Buffer
	if err := writeCPIO(&buf, []cpioFile{
		{name: "bin", mode: modeDir}, {name: "bin/tool", mode: modeExec, data: []byte("hello")}, {name: "init", mode: modeExec, data: []byte("x")},
	}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("cpio", "-idm", "--quiet")
	cmd.Dir = t.TempDir()
	cmd.Stdin = &buf
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v: %s", err, out)
	}
	raw, err := os.ReadFile(filepath.Join(cmd.Dir, "bin/tool"))
	if err != nil || string(raw) != "hello" {
		t.Errorf("unpacked %q (%v)", raw, err)
	}
}

func TestVerdictCache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "virt.json")
	if _, found := cachedVerdict(file, "a"); found {
		t.Error("found a verdict without a file")
	}
	keepVerdict(file, verdict{Key: "a", Type: KVM, Reason: "r"})
	if v, found := cachedVerdict(file, "a"); !found || v.Type != KVM {
		t.Errorf("kept %+v, %v", v, found)
	}
	if _, found := cachedVerdict(file, "b"); found {
		t.Error("a verdict for another kernel or boot was used")
	}
}

func TestDroppingForward(t *testing.T) {
	docker := `table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy accept;
	}
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
	}
}`
	if got := droppingForward(docker); got != "ip filter FORWARD" {
		t.Errorf("got %q", got)
	}
	if got := droppingForward(strings.ReplaceAll(docker, "drop", "accept")); got != "" {
		t.Errorf("got %q for an accepting chain", got)
	}
}

func TestPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	opts := Options{Listen: l.Addr().String()}
	if c := checkPort(t.Context(), opts); c.Status != Fail || c.Fix == "" {
		t.Errorf("a taken port gives %+v", c)
	}
	opts.Running = true
	if c := checkPort(t.Context(), opts); c.Status != OK {
		t.Errorf("Kumoi's own port gives %+v", c)
	}
	if c := checkPort(t.Context(), Options{Listen: "127.0.0.1:0"}); c.Status != OK {
		t.Errorf("a free port gives %+v", c)
	}
}

func TestOutsideOverlap(t *testing.T) {
	if c := checkOutside(t.Context(), Options{OutsideCIDR: netip.MustParsePrefix("127.0.0.0/16")}); c.Status != Fail {
		t.Errorf("an overlap with loopback gives %+v", c)
	}
	if c := checkOutside(t.Context(), Options{OutsideCIDR: netip.MustParsePrefix("198.51.100.0/24")}); c.Status != OK {
		t.Errorf("a network of nobody gives %+v", c)
	}
}

func TestMissingProgramsNameTheirPackage(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	c := checkPackages(t.Context(), Options{})
	if c.Status != Fail || !strings.Contains(c.Fix, "openvswitch-switch") || !strings.Contains(c.Detail, "ovn-northd") {
		t.Errorf("got %+v", c)
	}
}

// A guest that hangs must not hold up the start for ever, and one that fails says why.
func TestBootMarker(t *testing.T) {
	const long, short = time.Minute, 200 * time.Millisecond
	for name, tc := range map[string]struct {
		limit        patience
		script, want string
	}{
		"reaches userland": {patience{long, long}, "echo '" + marker + "'; exec sleep 60", ""},
		"no KVM":           {patience{long, long}, "echo could not access KVM >&2; exit 1", "could not access KVM"},
		"silent":           {patience{short, long}, "exec sleep 60", "does not start"},
		"stuck":            {patience{long, short}, "echo Linux version; exec sleep 60", "does not reach userland"},
	} {
		t.Run(name, func(t *testing.T) {
			err := bootMarker(t.Context(), tc.limit, nil, "/bin/sh", "-c", tc.script)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The trial itself must be right: without virtualisation, given time, it succeeds.
func TestTrialBootsUnderEmulation(t *testing.T) {
	kernel, err := newestKernel("/boot")
	if _, missing := exec.LookPath(QEMUBinary()); err != nil || missing != nil || testing.Short() {
		t.Skip("needs QEMU and a kernel")
	}
	if err := tryBoot(t.Context(), kernel, "tcg", patience{firstWord: time.Minute, userland: time.Minute}); err != nil {
		t.Error(err)
	}
}

func TestEveryProblemHasAFix(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a guest")
	}
	for _, c := range Run(t.Context(), Options{DataDir: t.TempDir(), Listen: "127.0.0.1:0", OutsideCIDR: netip.MustParsePrefix("172.24.4.0/24")}) {
		t.Logf("%-16s %-5s %s %s", c.Name, c.Status, c.Detail, c.Fix)
		if c.Name == "" || c.Detail == "" || c.Status == "" {
			t.Errorf("incomplete check %+v", c)
		}
		if c.Status != OK && c.Fix == "" {
			t.Errorf("%s says %q and not what to do", c.Name, c.Detail)
		}
	}
}

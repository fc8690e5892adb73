package prepare

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kumoi/internal/kernel/errs"
)

// A pretended guestfish: this program under its name. A disk is a file of zeros
// with the guest's tree in a folder beside it, named ".tree", into which writing
// is refused unless it was asked for.

// TestMain is also the tool that a Disk starts.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "guestfish" {
		if err := guestfish(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "libguestfs: error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func guestfish(args []string) error {
	if len(args) != 5 || args[2] != "-a" || args[4] != "-i" || os.Getenv("LIBGUESTFS_BACKEND") != "direct" {
		return fmt.Errorf("called with %q", args)
	}
	if format, err := os.ReadFile(args[3] + ".format"); err == nil && args[1] != "--format="+string(format) {
		return fmt.Errorf("called with %q", args)
	}
	root, err := os.OpenRoot(args[3] + ".tree")
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		command, rest, _ := strings.Cut(lines.Text(), " ")
		text, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return fmt.Errorf("%q: %w", lines.Text(), err)
		}
		more := strings.TrimPrefix(rest, text)
		if text, err = strconv.Unquote(text); err != nil {
			return err
		}
		switch {
		case command == "echo":
			fmt.Println(text)
		case command == "glob-expand" && more == " directoryslash:false":
			found, err := fs.Glob(root.FS(), strings.ReplaceAll(inside(text), "[!", "[^"))
			if err != nil {
				return err
			}
			for _, f := range found {
				fmt.Println("/" + f)
			}
			fmt.Println()
		case args[0] != "--rw":
			return fmt.Errorf("%s of a disk that is only read", command)
		case command == "rm-rf":
			err = root.RemoveAll(inside(text))
		case command == "-truncate":
			_ = root.WriteFile(inside(text), nil, 0o644) // the dash lets the script go on
		default:
			err = fmt.Errorf("%s: unknown command", command)
		}
		if err != nil {
			return err
		}
	}
	return lines.Err()
}

// pretend puts the tool on the path and makes a disk that was lived in.
func pretend(t *testing.T) (disk string) {
	t.Helper()
	bin, dir := t.TempDir(), t.TempDir()
	self, err := filepath.Abs(os.Args[0])
	if err == nil {
		err = os.Symlink(self, filepath.Join(bin, "guestfish"))
	}
	disk = filepath.Join(dir, "disk.img")
	if err == nil {
		err = os.WriteFile(disk, make([]byte, 4096), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	makeTree(t, disk+".tree")
	return disk
}

// A disk is prepared as a folder is: what is planned is done to the copy, the
// source stays as it is.
func TestPretendedDisk(t *testing.T) {
	src, ctx := pretend(t), t.Context()
	plan, err := PlanDisk(ctx, src, "mail")
	if err != nil {
		t.Fatal(err)
	}
	root, err := OpenDir(src + ".tree")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	want, err := Plan(ctx, root, "mail")
	if err != nil || fmt.Sprint(plan) != fmt.Sprint(want) || len(plan) < 8 {
		t.Errorf("planned %v, want %v, %v", plan, want, err)
	}
	for i, c := range plan {
		if n := len(c.Remove) + len(c.Empty); !slices.Equal(c.Remove, want[i].Remove) || !slices.Equal(c.Empty, want[i].Empty) || !strings.Contains(c.String(), fmt.Sprintf(" %d  %s", n, c.Operation.What)) {
			t.Errorf("planned %s, want %s", c, want[i])
		}
	}
	dst := filepath.Join(t.TempDir(), "copy.img")
	makeTree(t, dst+".tree")
	if err := CopyDisk(ctx, src, dst, plan); err != nil {
		t.Fatal(err)
	}
	for _, name := range tree {
		name, stays := strings.CutSuffix(name, "+")
		stays = stays || strings.HasPrefix(name, "var/spool/mail")
		if b, err := os.ReadFile(filepath.Join(dst+".tree", name)); stays != (err == nil && len(b) > 0) {
			t.Errorf("in the copy %s has %d bytes, %v", name, len(b), err)
		}
		if b, err := os.ReadFile(filepath.Join(src+".tree", name)); err != nil || len(b) == 0 {
			t.Errorf("in the source %s has %d bytes, %v", name, len(b), err)
		}
	}
	if info, err := os.Stat(dst); err != nil || info.Size() != 4096 {
		t.Errorf("the copy: %v, %v", info, err)
	}
	// Looking at one pattern, and telling of the tool's complaints.
	d, err := OpenDisk(src, false)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := d.Glob(ctx, "/etc/ssh/*"); err != nil || len(found) != 3 {
		t.Errorf("found %v, %v", found, err)
	}
	for name, f := range map[string]func(context.Context, []string) error{"remove": d.Remove, "empty": d.Empty} {
		if err := f(ctx, []string{"/etc/hostname"}); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "only read") {
			t.Errorf("%s on a disk that is only read: %v", name, err)
		}
	}
}

func TestDisksThatCannotBePrepared(t *testing.T) {
	src, ctx := pretend(t), t.Context()
	plan, err := PlanDisk(ctx, src)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	dst := filepath.Join(dir, "copy.img")
	if err := CopyDisk(ctx, filepath.Join(dir, "nothing"), dst, plan); !os.IsNotExist(err) {
		t.Errorf("a copy of nothing: %v", err)
	}
	if _, err := PlanDisk(ctx, filepath.Join(dir, "nothing")); err == nil {
		t.Error("nothing is planned for")
	}
	// The copy has no tree: the tool fails, and no half-prepared disk is left.
	if err := CopyDisk(ctx, src, dst, plan); !errs.Is(err, errs.Invalid) {
		t.Errorf("a tool that fails: %v", err)
	}
	if _, err := os.Stat(dst); !os.IsNotExist(err) {
		t.Errorf("a copy is left: %v", err)
	}
	if err := os.WriteFile(dst, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CopyDisk(ctx, src, dst, plan); !os.IsExist(err) {
		t.Errorf("a file that is there: %v", err)
	}
	if b, err := os.ReadFile(dst); err != nil || string(b) != "mine" {
		t.Errorf("what was there: %q, %v", b, err)
	}
	if err := os.RemoveAll(src + ".tree"); err != nil {
		t.Fatal(err)
	}
	if _, err := PlanDisk(ctx, src); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), src) {
		t.Errorf("a plan by a tool that fails: %v", err)
	}
	for name, head := range map[string]string{
		"vmdk of another file": "# Disk DescriptorFile\ncreateType=\"monolithicFlat\"\n", "qcow2 of another disk": "QFI\xfb\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x0b",
		"vhdx": "vhdxfile", "vdi": strings.Repeat("\x00", 64) + "\x7f\x10\xda\xbe",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, append([]byte(head), make([]byte, 128<<10)...), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenDisk(path, false); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A disk with partitions is raw to the tool; what is of a format is opened as of that.
	gpt := make([]byte, 64<<10)
	copy(gpt[510:], "\x55\xaa")
	gpt[446+4] = 0xee
	copy(gpt[512:], "EFI PART")
	qcow := make([]byte, 64<<10)
	copy(qcow, "QFI\xfb\x00\x00\x00\x03")
	qcow[23], qcow[28], qcow[103] = 16, 1, 104
	for format, data := range map[string][]byte{"raw": gpt, "qcow2": qcow} {
		path := filepath.Join(dir, "good."+format)
		makeTree(t, path+".tree")
		for name, b := range map[string][]byte{path: data, path + ".format": []byte(format)} {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if plan, err := PlanDisk(ctx, path); err != nil || len(plan) < 8 {
			t.Errorf("a disk of %s: %v, %v", format, plan, err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := OpenDisk(src, false); !errs.Is(err, errs.Unsupported) {
		t.Errorf("without the tool: %v", err)
	}
}

// broken is a guest of which something cannot be done.
type broken struct {
	Guest
	glob, remove, empty error
}

func (b broken) Glob(ctx context.Context, pattern string) ([]string, error) {
	if strings.HasPrefix(pattern, "/etc/machine-id") && b.glob != nil {
		return nil, b.glob
	}
	return b.Guest.Glob(ctx, pattern)
}

func (b broken) Remove(ctx context.Context, paths []string) error {
	if b.remove != nil || len(paths) == 0 {
		return fmt.Errorf("remove %v: %w", paths, b.remove)
	}
	return b.Guest.Remove(ctx, paths)
}

func (b broken) Empty(ctx context.Context, paths []string) error {
	if b.empty != nil || len(paths) == 0 {
		return fmt.Errorf("empty %v: %w", paths, b.empty)
	}
	return b.Guest.Empty(ctx, paths)
}

// What a guest refuses is told with the operation that wanted it, and nobody is
// asked to do nothing.
func TestBrokenGuest(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	makeTree(t, dir)
	if _, err := OpenDir(filepath.Join(dir, "nothing")); !os.IsNotExist(err) {
		t.Errorf("a folder that is not there: %v", err)
	}
	g, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	why := os.ErrPermission
	if _, err := Plan(ctx, broken{Guest: g, glob: why}); err == nil || !strings.Contains(err.Error(), "/etc/machine-id") {
		t.Errorf("planning: %v", err)
	}
	plan, err := Plan(ctx, g)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []broken{{Guest: g, remove: why}, {Guest: g, empty: why}} {
		if err := Apply(ctx, b, plan); err == nil || !strings.Contains(err.Error(), "machine-id: ") {
			t.Errorf("applying: %v", err)
		}
	}
	if err := Apply(ctx, broken{Guest: g}, plan); err != nil {
		t.Error(err)
	}
}

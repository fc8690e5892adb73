package rbd_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"kumoi/internal/image/backend/rbd"
)

// A pretended cluster: this program under the names of Ceph's tools, over a
// folder whose folders are pools. An image is a file, its snapshot a file beside
// it whose first word says whether it is protected. Exits are those of the tools.

// TestMain is also the tools that the store starts.
func TestMain(m *testing.M) {
	if tool := filepath.Base(os.Args[0]); slices.Contains(tools, tool) {
		os.Exit(cluster(os.Getenv("KUMOI_PRETENDED_CEPH")).run(tool, os.Args[1:]))
	}
	os.Exit(m.Run())
}

var tools = []string{"rbd", "rados", "ceph-conf"}

const (
	fsid       = "0b5e-cluster"
	objectSize = 1 << 20
)

type cluster string

// newCluster puts the tools on the path and makes a pool.
func newCluster(t *testing.T) cluster {
	t.Helper()
	bin, c := t.TempDir(), cluster(t.TempDir())
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range tools {
		if err := os.Symlink(self, filepath.Join(bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(string(c), "images"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	t.Setenv("KUMOI_PRETENDED_CEPH", string(c))
	c.set(t, "fsid", fsid+"\n")
	return c
}

func (c cluster) store(t *testing.T) *rbd.Store {
	t.Helper()
	s, err := rbd.New(context.Background(), rbd.Config{Conf: filepath.Join(string(c), "ceph.conf"), User: "glance", Pool: "images", ChunkSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// set gives the cluster a file, get reads one.
func (c cluster) set(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(string(c), name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (c cluster) get(name string) string {
	text, _ := os.ReadFile(filepath.Join(string(c), name))
	return string(text)
}

// images lists what is in the pool.
func (c cluster) images(t *testing.T) (names []string) {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(string(c), "images"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func (c cluster) run(tool string, args []string) int {
	var plain []string
	for len(args) > 0 {
		switch a := args[0]; {
		case a == "-c" || a == "--id" || a == "--image-format" || a == "--object-size" || a == "--format" || a == "-p":
			if want := map[string]string{
				"-c": filepath.Join(string(c), "ceph.conf"), "--id": "glance", "--image-format": "2", "--object-size": "1M", "--format": "json", "-p": "images",
			}[a]; args[1] != want {
				return c.fail(syscall.EINVAL, a+" "+args[1])
			}
			args = args[2:]
		case a == "--no-progress":
			args = args[1:]
		default:
			plain, args = append(plain, a), args[1:]
		}
	}
	command := tool + " " + strings.Join(plain, " ")
	if broken, status, ok := strings.Cut(c.get("broken"), "="); ok && strings.HasPrefix(command, broken) {
		var n int
		_, _ = fmt.Sscan(status, &n)
		fmt.Fprintln(os.Stderr, "it is broken")
		return n
	}
	return c.do(tool, plain)
}

func (c cluster) fail(status syscall.Errno, what string) int {
	fmt.Fprintln(os.Stderr, what+":", status)
	return int(status)
}

func (c cluster) do(tool string, args []string) int {
	path := func(name string) string { return filepath.Join(string(c), name) }
	has := func(name string) bool { _, err := os.Stat(path(name)); return err == nil }
	last := args[len(args)-1]
	switch command := tool + " " + strings.Join(args[:len(args)-1], " "); {
	case tool == "ceph-conf":
		fmt.Print(c.get("fsid"))
		return 0
	case tool == "rados":
		return c.object(args[1])
	case command == "rbd ls" && has(last):
		return 0
	case strings.HasPrefix(command, "rbd import"):
		if has(last) {
			return c.fail(syscall.EEXIST, last)
		}
		data, err := io.ReadAll(os.Stdin)
		if err == nil {
			err = os.WriteFile(path(last), data, 0o600)
		}
		if err != nil {
			return c.fail(syscall.EIO, err.Error())
		}
		return 0
	case command == "rbd info" && has(last):
		image, _, _ := strings.Cut(last, "@")
		info, err := os.Stat(path(image))
		if err != nil {
			return c.fail(syscall.ENOENT, image)
		}
		return c.info(map[string]any{"size": info.Size(), "object_size": objectSize, "block_name_prefix": "rbd_data." + filepath.Base(image), "stripe_unit": objectSize})
	case strings.HasPrefix(command, "rbd export"):
		image, _, _ := strings.Cut(args[1], "@")
		fmt.Print(c.get(image))
		return 0
	case strings.HasPrefix(command, "rbd rename") && has(args[1]):
		return c.errno(os.Rename(path(args[1]), path(last)))
	case command == "rbd snap create":
		return c.errno(os.WriteFile(path(last), []byte("open"), 0o600))
	case command == "rbd snap protect" && has(last):
		return c.errno(os.WriteFile(path(last), []byte("protected"), 0o600))
	case command == "rbd snap unprotect" && has(last):
		if c.get("clones") != "" {
			return c.fail(syscall.EBUSY, last)
		}
		if c.get(last) != "protected" {
			return c.fail(syscall.EINVAL, last)
		}
		return c.errno(os.WriteFile(path(last), []byte("open"), 0o600))
	case command == "rbd snap rm" && has(last):
		if c.get(last) == "protected" {
			return c.fail(syscall.EBUSY, last)
		}
		return c.errno(os.Remove(path(last)))
	case command == "rbd rm" && has(last):
		if has(last + "@snap") {
			return c.fail(syscall.ENOTEMPTY, last)
		}
		return c.errno(os.Remove(path(last)))
	}
	return c.fail(syscall.ENOENT, last)
}

func (c cluster) errno(err error) int {
	if err == nil {
		return 0
	}
	return c.fail(syscall.EIO, err.Error())
}

func (c cluster) info(v map[string]any) int {
	if text := c.get("info"); text != "" {
		fmt.Print(text)
		return 0
	}
	return c.errno(json.NewEncoder(os.Stdout).Encode(v))
}

// object is a part of an image, without the zeros at its end: those of nothing
// but zeros were never written.
func (c cluster) object(name string) int {
	image, number, _ := strings.Cut(strings.TrimPrefix(name, "rbd_data."), ".")
	if len(number) != 16 {
		return c.fail(syscall.EINVAL, name)
	}
	var i int
	if _, err := fmt.Sscanf(number, "%x", &i); err != nil {
		return c.fail(syscall.EINVAL, name)
	}
	data := c.get("images/" + image)
	from := min(i*objectSize, len(data))
	part := strings.TrimRight(data[from:min(from+objectSize, len(data))], "\x00")
	if part == "" {
		fmt.Fprintln(os.Stderr, "error getting images/"+name+": (2) No such file or directory")
		return 1
	}
	if c.get("long") != "" {
		part += strings.Repeat("x", objectSize)
	}
	fmt.Print(part)
	return 0
}

// errText is the whole of an error, with what is for the log.
func errText(err error) (text string) {
	for ; err != nil; err = errors.Unwrap(err) {
		text += err.Error() + "\n"
	}
	return text
}

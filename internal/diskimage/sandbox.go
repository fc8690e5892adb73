package diskimage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"kumoi/internal/kernel/errs"
)

// Limits bound one run of a tool.
type Limits struct {
	Memory int64         // bytes of address space
	CPU    time.Duration // processor time
	Time   time.Duration
	Size   int64 // bytes of a file that it writes
}

// DefaultLimits are generous for an honest image.
func DefaultLimits() Limits {
	return Limits{Memory: 1 << 30, CPU: 30 * time.Minute, Time: time.Hour, Size: 1 << 40}
}

// nobody is who runs a tool when we are root.
const nobody = 65534

// file is one that a tool works on.
type file struct {
	path  string
	write bool
}

// name is how a tool calls its file number i.
func (s sandbox) name(i int) string {
	if s.open {
		return fmt.Sprintf("/proc/self/fd/%d", firstFile+i)
	}
	return fmt.Sprintf("/%d", i)
}

// firstFile is the descriptor of the first file in the open sandbox; the one
// before it tells how setting the sandbox up went.
const firstFile, statusFile = 4, 3

// sandbox is how far this machine lets us shut a tool in.
type sandbox struct {
	// open is a sandbox without namespaces: the tool is nobody, may open its
	// files alone where the kernel has Landlock, and make no connection.
	open bool
	why  error // for an open one
}

// probe finds out once what the machine offers.
var probe = sync.OnceValue(func() sandbox {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := (sandbox{}).run(ctx, DefaultLimits(), nil, nil); err != nil {
		return sandbox{open: true, why: err}
	}
	return sandbox{}
})

// Confinement says what the sandbox lacks on this machine, and why; nil is a
// whole one.
func Confinement() error {
	s := probe()
	if !s.open {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := s.run(ctx, DefaultLimits(), nil, nil)
	switch {
	case err != nil:
		return fmt.Errorf("disk images cannot be converted: %w", err)
	case landlockVersion() == 0:
		return fmt.Errorf("converters of disk images see the host's files and processes, as nobody: there are no namespaces for them (%w), and the kernel has no Landlock", s.why)
	}
	return fmt.Errorf("converters of disk images see the host's processes: there are no namespaces for them (%w); Landlock and seccomp keep them from files and networks", s.why)
}

// order is what the parent tells the child that becomes the tool.
type order struct {
	Open   bool
	User   bool // there is a user namespace of our own
	Files  []orderFile
	Tool   []string // path and arguments; none to see whether a sandbox can be had
	Limits Limits
}

type orderFile struct {
	Path  string
	Write bool
}

// childName is the child's argv[0]: the program starts itself.
const childName = "kumoi-diskimage-sandbox"

// run executes a tool on files, whose names are s.name(0), s.name(1) …
func (s sandbox) run(ctx context.Context, l Limits, files []file, tool []string) error {
	ctx, cancel := context.WithTimeout(ctx, l.Time)
	defer cancel()
	o := order{Open: s.open, Limits: l, User: os.Geteuid() != 0 && !s.open}
	if len(tool) > 0 {
		path, err := exec.LookPath(tool[0])
		if err == nil {
			path, err = filepath.EvalSymlinks(path)
		}
		if err != nil {
			return errs.Wrap(errs.Unsupported, err, "Disk images cannot be worked on here: %s is not installed.", tool[0])
		}
		// Some programs are many, and look at the name they are called by.
		o.Tool = append([]string{path, filepath.Base(tool[0])}, tool[1:]...)
	}
	end, err := grant(files)
	if err != nil {
		return err
	}
	defer end()

	status, told, err := os.Pipe()
	if err != nil {
		return err
	}
	defer status.Close()
	defer told.Close()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.ExtraFiles = []*os.File{told}
	for _, f := range files {
		path, err := filepath.Abs(f.path)
		if err != nil {
			return err
		}
		o.Files = append(o.Files, orderFile{path, f.write})
		if !s.open {
			continue
		}
		flag := os.O_RDONLY
		if f.write {
			flag = os.O_RDWR
		}
		h, err := os.OpenFile(path, flag, 0)
		if err != nil {
			return err
		}
		defer h.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, h)
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	cmd.Args = []string{childName, string(text)}
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "MALLOC_ARENA_MAX=1", "GOMAXPROCS=1"}
	cmd.Dir = "/"
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &limited{w: &stderr, left: 4 << 10}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if !s.open {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS | syscall.CLONE_NEWPID
	}
	if o.User {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	if err := cmd.Start(); err != nil {
		return outcome(ctx, l, err, "", nil)
	}
	_ = told.Close() // the child has its own
	trouble, _ := io.ReadAll(io.LimitReader(status, 4<<10))
	err = cmd.Wait()
	if len(trouble) > 0 {
		return fmt.Errorf("sandbox: %s", trouble)
	}
	return outcome(ctx, l, err, strings.TrimSpace(stderr.String()), tool)
}

// outcome says in words for an image's owner why a tool failed.
func outcome(ctx context.Context, l Limits, err error, said string, tool []string) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errs.New(errs.Invalid, "Converting the image took longer than %s and was given up.", l.Time)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !errors.As(err, &exit) || len(tool) == 0:
		return fmt.Errorf("sandbox: %w", err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		said = fmt.Sprintf("it was ended by %s, as it took more than it may", status.Signal())
	}
	kind := errs.Invalid
	if strings.Contains(said, "No space left") || strings.Contains(said, "Disk quota exceeded") {
		kind, said = errs.TooLarge, "there is no space left"
	}
	return errs.Wrap(kind, fmt.Errorf("%s: %w: %s", tool[0], err, said), "The image could not be converted: %s.", strings.TrimPrefix(said, tool[0]+": "))
}

// limited keeps the first bytes of a tool's complaints.
type limited struct {
	w    *bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.w.Write(p[:n])
	l.left -= n
	return len(p), nil
}

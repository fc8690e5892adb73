package app

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"kumoi/internal/kernel/errs"
)

// lock makes this process the only one on the data directory, and writes its
// pid for "kumoi down". The lock ends with the process, however it ends.
func lock(cfg *Config) (*os.File, error) {
	f, err := os.OpenFile(cfg.path("kumoi.pid"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			pid, _ := runningPID(cfg)
			return nil, errs.New(errs.Conflict, "kumoi runs already on %s (pid %d); stop it with: kumoi down --keep-guests", cfg.DataDir, pid)
		}
		return nil, err
	}
	if err := f.Truncate(0); err != nil {
		return nil, err
	}
	_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return f, err
}

// runningPID returns the pid of the process that holds the data directory's lock.
func runningPID(cfg *Config) (int, error) {
	f, err := os.Open(cfg.path("kumoi.pid"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err == nil {
		return 0, errs.New(errs.NotFound, "kumoi does not run on %s", cfg.DataDir)
	}
	b := make([]byte, 16)
	n, _ := f.Read(b)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return pid, nil
}

package app

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"kumoi/internal/kernel/errs"
)

// MakeDataDir makes the data directory.
func MakeDataDir(cfg *Config) error {
	err := os.MkdirAll(cfg.DataDir, 0o711)
	if errors.Is(err, os.ErrPermission) {
		return errs.New(errs.Forbidden, "The data directory %s cannot be made by this user: run kumoi as root, or choose another with --data-dir.", cfg.DataDir)
	}
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "The data directory %s cannot be made; choose another with --data-dir", cfg.DataDir)
	}
	return nil
}

// portFree looks whether the API will be able to listen, before what it needs is
// started in vain.
func portFree(cfg *Config) error {
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return cannotListen(cfg.Listen, err)
	}
	return l.Close()
}

func cannotListen(addr string, err error) error {
	return errs.Wrap(errs.Conflict, err, "The API cannot listen on %s: choose another address with --listen, or stop what uses it", addr)
}

// withAdvice says what to do about failures that can come from anywhere.
func withAdvice(cfg *Config, err error) error {
	if errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), "disk is full") {
		return fmt.Errorf("%w\nThe disk that holds %s is full: make room (df -h %s) and start kumoi again; nothing that was stored is lost", err, cfg.DataDir, cfg.DataDir)
	}
	return err
}

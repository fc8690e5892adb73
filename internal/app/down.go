package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"

	"kumoi/internal/agent"
	"kumoi/internal/hoststack"
	"kumoi/internal/kernel/errs"
)

// DownOptions says how much goes.
type DownOptions struct {
	KeepGuests bool // stop the kumoi process alone
	Purge      bool // remove all data as well
	Say        func(string)
}

// Down stops the cloud of a data directory: the process, then guests and what
// was started for them, then, if asked, everything that was stored.
func Down(ctx context.Context, cfg *Config, o DownOptions) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if _, err := os.Stat(cfg.DataDir); errors.Is(err, os.ErrNotExist) {
		o.Say("there is no cloud in " + cfg.DataDir)
		return nil
	}
	if err := stopProcess(ctx, cfg, o.Say); err != nil {
		return err
	}
	if o.KeepGuests {
		return nil
	}
	stack, err := stackConfig(cfg, Roles{Control: true, Host: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if o.Purge {
		if err := hoststack.Purge(ctx, stack); err != nil {
			return err
		}
		if err := agent.EndVolumes(ctx, cfg.path("host")); err != nil {
			return err
		}
		if err := os.RemoveAll(cfg.DataDir); err != nil {
			return err
		}
		o.Say("guests, network and all data are gone")
		return nil
	}
	if err := hoststack.Down(ctx, stack); err != nil {
		return err
	}
	// Not before the guests, which would wait for their volumes.
	if err := agent.EndVolumes(ctx, cfg.path("host")); err != nil {
		return err
	}
	o.Say("guests and network are stopped; the data stays in " + cfg.DataDir)
	return nil
}

// stopProcess ends the running kumoi and waits until it is gone.
func stopProcess(ctx context.Context, cfg *Config, say func(string)) error {
	pid, err := runningPID(cfg)
	if err != nil {
		if errs.Is(err, errs.NotFound) || errors.Is(err, os.ErrNotExist) {
			say("kumoi does not run")
			return nil
		}
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop kumoi (pid %d): %w", pid, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := runningPID(cfg); err != nil {
			say(fmt.Sprintf("kumoi (pid %d) has stopped", pid))
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("kumoi (pid %d) does not stop; end it with: kill -9 %d", pid, pid)
		case <-tick.C:
		}
	}
}

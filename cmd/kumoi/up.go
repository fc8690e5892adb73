package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"kumoi/internal/app"
	"kumoi/internal/kernel/logx"
)

type upCmd struct {
	cloudFlags
	Detach bool `help:"Go to the background once the cloud is ready; logs go to kumoi.log in the data directory."`
}

func (c *upCmd) Run(ctx context.Context) error {
	if c.Detach {
		return detach(ctx, &c.Config)
	}
	return serve(ctx, &c.Config, app.Roles{Control: true, Host: true})
}

type serverCmd struct {
	cloudFlags
	Detach bool `help:"Go to the background once the control plane is ready."`
}

func (c *serverCmd) Run(ctx context.Context) error {
	if c.Detach {
		return detach(ctx, &c.Config)
	}
	return serve(ctx, &c.Config, app.Roles{Control: true})
}

type agentCmd struct {
	cloudFlags
	Detach bool `help:"Go to the background once the agent is connected."`
}

func (c *agentCmd) Run(ctx context.Context) error {
	if c.Join == "" {
		return errors.New("agent: --join FILE is missing; make the file on the control plane with: kumoi admin host add NAME > FILE")
	}
	if c.Detach {
		return detach(ctx, &c.Config)
	}
	return serve(ctx, &c.Config, app.Roles{Host: true})
}

// serve runs the roles until a signal comes.
func serve(ctx context.Context, cfg *app.Config, roles app.Roles) error {
	log, err := logx.New(os.Stderr, logx.Config{Format: cfg.LogFormat, Level: cfg.LogLevel})
	if err != nil {
		return err
	}
	cloud, err := app.Start(ctx, cfg, roles, log)
	if err != nil {
		return err
	}
	<-ctx.Done()
	log.Info("stopping; guests go on")
	return cloud.Stop()
}

// detach starts this very command again without --detach in a session of its
// own, and waits until that process says it is ready or ends.
func detach(ctx context.Context, cfg *app.Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if err := app.MakeDataDir(cfg); err != nil {
		return err
	}
	if st, err := app.AskStatus(ctx, cfg); err == nil {
		fmt.Printf("kumoi is running already (pid %d), API at %s\n", st.PID, cmp.Or(st.API, "the control plane"))
		return nil
	}
	logPath := filepath.Join(cfg.DataDir, "kumoi.log")
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer logFile.Close()
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(exe, withoutDetach(os.Args[1:])...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	offset, _ := logFile.Seek(0, 2)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	start := time.Now()
	said := ""
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			return fmt.Errorf("kumoi ended at once (%w); its last words:\n%s", err, tail(logPath, offset))
		case <-tick.C:
		}
		st, err := app.AskStatus(ctx, cfg)
		if err != nil {
			continue
		}
		if st.Ready {
			fmt.Printf("kumoi is ready after %.1fs (pid %d)\n  API  %s\n  log  %s\n", time.Since(start).Seconds(), st.PID, cmp.Or(st.API, "at the control plane"), logPath)
			return nil
		}
		if st.Phase != said {
			said = st.Phase
			fmt.Printf("  %5.1fs  %s\n", time.Since(start).Seconds(), said)
		}
	}
}

func withoutDetach(args []string) []string {
	var out []string
	for _, a := range args {
		if a != "--detach" && a != "--detach=true" {
			out = append(out, a)
		}
	}
	return out
}

// tail returns what a log gained since offset, at most its last 2,000 bytes.
func tail(path string, offset int64) string {
	b, err := os.ReadFile(path)
	if err != nil || int64(len(b)) < offset {
		return ""
	}
	b = b[offset:]
	return string(b[max(0, len(b)-2000):])
}

type downCmd struct {
	cloudFlags
	KeepGuests bool `help:"Stop kumoi alone: guests, network and what it started go on."`
	Purge      bool `help:"Remove all data as well: nothing is left of the cloud."`
}

func (c *downCmd) Run(ctx context.Context) error {
	if _, err := app.Adopt(ctx, &c.Config); err != nil {
		fmt.Println(err) // what runs must be stoppable all the same
	}
	if err := c.Validate(); err != nil {
		return err
	}
	if c.KeepGuests && c.Purge {
		return errors.New("down: --keep-guests and --purge exclude each other")
	}
	return app.Down(ctx, &c.Config, app.DownOptions{KeepGuests: c.KeepGuests, Purge: c.Purge, Say: func(s string) { fmt.Println(s) }})
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"kumoi/internal/app"
	"kumoi/internal/demo"
	"kumoi/internal/doctor"
)

// table prints rows aligned under a header.
func table(header string, rows func(line func(cells ...any))) {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(strings.Split(header, " | "), "\t"))
	rows(func(cells ...any) {
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, c)
		}
		fmt.Fprintln(w)
	})
	w.Flush()
}

func printJSON(v any) error {
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

type statusCmd struct {
	cloudFlags
	Format string `enum:"table,json" default:"table" help:"table or json."`
}

func (c *statusCmd) Run(ctx context.Context) error {
	st, err := app.AskStatus(ctx, &c.Config)
	if err != nil {
		return err
	}
	if c.Format == "json" {
		return printJSON(st)
	}
	state := "ready"
	if !st.Ready {
		state = "starting: " + st.Phase
	}
	fmt.Printf("%s on host %s, up %s, %d MiB resident\nAPI  %s\ndata %s\n\n", state, st.Host,
		time.Since(st.StartedAt).Round(time.Second), st.MemoryMiB, cmp.Or(st.API, "at the control plane"), st.DataDir)
	down := 0
	table("PART | STATE | VERSION | PID | RUN BY | DETAIL", func(line func(...any)) {
		for _, p := range st.Parts {
			if p.State == "down" {
				down++
			}
			pid := ""
			if p.PID > 0 {
				pid = fmt.Sprint(p.PID)
			}
			line(p.Name, p.State, p.Version, pid, p.Managed, p.Detail)
		}
	})
	if len(st.Counts) > 0 {
		fmt.Println()
		table("COUNT | N", func(line func(...any)) {
			for _, n := range st.Counts {
				line(n.Name, n.N)
			}
		})
	}
	if down > 0 {
		return fmt.Errorf("%d part(s) are down; kumoi doctor says what to do", down)
	}
	return nil
}

type openrcCmd struct {
	cloudFlags
	Format string `enum:"sh,clouds.yaml" default:"sh" help:"sh (to be sourced) or clouds.yaml."`
}

func (c *openrcCmd) Run(ctx context.Context) error {
	if _, err := app.Adopt(ctx, &c.Config); err != nil {
		return err
	}
	creds, err := adminCredentials(&c.Config)
	if err != nil {
		return err
	}
	if c.Format == "sh" {
		fmt.Print(creds.OpenRC())
	} else {
		fmt.Print(creds.CloudsYAML("kumoi"))
	}
	return nil
}

// adminCredentials reads what the first start wrote down.
func adminCredentials(cfg *app.Config) (*demo.Credentials, error) {
	password, err := os.ReadFile(cfg.AdminPasswordFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no cloud in %s yet; start one with: kumoi up --data-dir %s", cfg.DataDir, cfg.DataDir)
	}
	if err != nil {
		return nil, err
	}
	return &demo.Credentials{
		AuthURL: cfg.AuthURL(), User: "admin", Password: strings.TrimSpace(string(password)), Project: "admin", Region: cfg.Region, CAFile: cfg.TLSCA,
	}, nil
}

// runningCloud is where and how to log into the cloud of the data directory as
// its administrator. It must run: nobody else is to hear the password.
func runningCloud(ctx context.Context, cfg *app.Config) (*demo.Credentials, error) {
	running, err := app.Adopt(ctx, cfg)
	if err != nil {
		return nil, err
	}
	creds, err := adminCredentials(cfg)
	if err == nil && !running {
		err = fmt.Errorf("the cloud in %s does not run; start it with: kumoi up --data-dir %s", cfg.DataDir, cfg.DataDir)
	}
	return creds, err
}

type doctorCmd struct {
	cloudFlags
	Format string `enum:"table,json" default:"table" help:"table or json."`
}

func (c *doctorCmd) Run(ctx context.Context, k *kong.Context) error {
	listen, outside := c.Listen, c.OutsideCIDR
	running, err := app.Adopt(ctx, &c.Config)
	if err != nil {
		return err
	}
	// Before a start, the settings it will be given are what is to be checked.
	if !running && said(k, "listen") {
		c.Listen = listen
	}
	if !running && said(k, "outside-cidr") {
		c.OutsideCIDR = outside
	}
	if err := c.Validate(); err != nil {
		return err
	}
	opts := doctor.Options{DataDir: c.DataDir, Listen: c.Listen, Running: running}
	if c.OutsideCIDR != "" {
		opts.OutsideCIDR, _ = netip.ParsePrefix(c.OutsideCIDR) // checked by Validate
	}
	checks := doctor.Run(ctx, opts)
	if c.Format == "json" {
		return printJSON(checks)
	}
	table("CHECK | STATUS | DETAIL", func(line func(...any)) {
		for _, k := range checks {
			line(k.Name, k.Status, k.Detail)
		}
	})
	for _, k := range checks {
		if k.Fix != "" {
			fmt.Printf("\n%s: %s\n", k.Name, k.Fix)
		}
	}
	if doctor.Worst(checks) == doctor.Fail {
		return errors.New("the machine is not ready; see above what to do")
	}
	return nil
}

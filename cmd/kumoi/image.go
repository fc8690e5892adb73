package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"kumoi/internal/demo"
	"kumoi/internal/image/catalogue"
	"kumoi/internal/image/prepare"
)

type imageCmd struct {
	Prepare imagePrepareCmd `cmd:"" help:"Remove from a disk image what makes it one machine's: ids, host keys, logs, leases."`
	Fetch   imageFetchCmd   `cmd:"" help:"Fetch an official cloud image by name and register it."`
	Known   imageKnownCmd   `cmd:"" help:"List the official images that fetch knows."`
}

type imagePrepareCmd struct {
	File string   `arg:"" type:"existingfile" help:"The disk image; it is not changed."`
	To   string   `type:"path" help:"Write a prepared copy here; without it, only list what would change."`
	Skip []string `help:"Operations not to do."`
}

func (c *imagePrepareCmd) Run(ctx context.Context) error {
	changes, err := prepare.PlanDisk(ctx, c.File, c.Skip...)
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		fmt.Println("nothing in the image belongs to one machine")
	}
	for _, change := range changes {
		fmt.Println(change)
	}
	if c.To == "" {
		fmt.Println("\nnothing was changed; --to FILE writes a prepared copy")
		return nil
	}
	if err := prepare.CopyDisk(ctx, c.File, c.To, changes); err != nil {
		return err
	}
	fmt.Println("prepared copy:", c.To)
	return nil
}

type imageKnownCmd struct{}

func (imageKnownCmd) Run() error {
	for _, e := range catalogue.List() {
		fmt.Println(e)
	}
	return nil
}

type imageFetchCmd struct {
	cloudFlags
	Name string `arg:"" help:"The image's name; kumoi image known lists them."`
	Arch string `help:"x86_64 or aarch64 (default: this machine's)."`
}

func (c *imageFetchCmd) Run(ctx context.Context) error {
	if err := c.Validate(); err != nil {
		return err
	}
	entry, err := catalogue.Find(c.Name)
	if err != nil {
		return err
	}
	if c.Arch == "" {
		c.Arch = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	}
	creds, err := adminCredentials(&c.Config)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(c.DataDir, "fetch-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	shown := time.Time{}
	err = entry.Fetch(ctx, http.DefaultClient, c.Arch, f, func(done, total int64) {
		if time.Since(shown) < time.Second && done != total {
			return
		}
		shown = time.Now()
		if total > 0 {
			fmt.Printf("\r%s: %d of %d MiB", entry.Name, done>>20, total>>20)
		} else {
			fmt.Printf("\r%s: %d MiB", entry.Name, done>>20)
		}
	})
	fmt.Println()
	if err != nil {
		return err
	}
	id, err := demo.Register(ctx, *creds, entry.Attributes(c.Arch), f.Name())
	if err != nil {
		return err
	}
	fmt.Printf("registered %s (%s) as %s\n", entry.Name, strings.TrimSpace(entry.Title), id)
	return nil
}

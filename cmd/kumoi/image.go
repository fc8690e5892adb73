package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"kumoi/internal/app"
	"kumoi/internal/demo"
	"kumoi/internal/doctor"
	"kumoi/internal/image/catalogue"
	"kumoi/internal/image/prepare"
)

type imageCmd struct {
	Prepare  imagePrepareCmd  `cmd:"" help:"Remove from a disk image what makes it one machine's: ids, host keys, logs, leases."`
	Fetch    imageFetchCmd    `cmd:"" help:"Fetch an official cloud image by name and register it."`
	Known    imageKnownCmd    `cmd:"" help:"List the official images that fetch knows."`
	Prefetch imagePrefetchCmd `cmd:"" help:"Bring an image into the caches of hosts before servers need it there."`
	Cache    imageCacheCmd    `cmd:"" help:"List the images that hosts keep in their caches."`
}

// hostFlags choose the running cloud and some of its hosts. The cloud's other
// settings have no say here, and among them is one called host.
type hostFlags struct {
	DataDir string   `env:"KUMOI_DATA_DIR" default:"/var/lib/kumoi" type:"path" group:"cloud" help:"Where the running cloud lives."`
	Host    []string `help:"Only this host; may be repeated (default: all that are up)."`
}

type imagePrefetchCmd struct {
	hostFlags
	Image string `arg:"" help:"The image's id, or its name."`
}

func (c *imagePrefetchCmd) Run(ctx context.Context) error {
	var rows []app.HostImageRow
	if err := app.AdminClientOf(c.DataDir).Call(ctx, http.MethodPost, "/images/prefetch", app.PrefetchRequest{Image: c.Image, Hosts: c.Host}, &rows); err != nil {
		return err
	}
	failed := 0
	for _, r := range rows {
		if r.Error != "" {
			failed++
			fmt.Printf("%s: %s\n", r.Host, r.Error)
			continue
		}
		fmt.Printf("%s has %s (%s)\n", r.Host, r.Name, r.Image)
	}
	if failed > 0 || len(rows) == 0 {
		return fmt.Errorf("%d of %d hosts do not have the image", failed, len(rows))
	}
	return nil
}

type imageCacheCmd struct {
	hostFlags
	Format string `enum:"table,json" default:"table" help:"table or json."`
}

func (c *imageCacheCmd) Run(ctx context.Context) error {
	var rows []app.HostImageRow
	if err := app.AdminClientOf(c.DataDir).Call(ctx, http.MethodGet, "/images/cache?"+url.Values{"host": c.Host}.Encode(), nil, &rows); err != nil {
		return err
	}
	if c.Format == "json" {
		return printJSON(rows)
	}
	table("HOST | IMAGE | NAME | FORMAT | MIB | DISKS | USED", func(line func(...any)) {
		for _, r := range rows {
			switch {
			case r.Error != "":
				line(r.Host, r.Error)
			case r.Image == "":
				line(r.Host, "none")
			default:
				line(r.Host, r.Image, r.Name, r.Format, (r.Bytes+1<<20-1)>>20, r.Disks, time.Since(r.Used).Round(time.Second).String()+" ago")
			}
		}
	})
	return nil
}

type imagePrepareCmd struct {
	File string   `arg:"" type:"existingfile" help:"The disk image; it is not changed."`
	To   string   `type:"path" help:"Write a prepared copy here; without it, only list what would change."`
	Skip []string `help:"Operations not to do."`
}

func (c *imagePrepareCmd) Run(ctx context.Context) error {
	if err := emulateGuestfs(ctx); err != nil {
		return err
	}
	changes, err := prepare.PlanDisk(ctx, c.File, c.Skip...)
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		fmt.Println("nothing in the image belongs to one machine")
	}
	for _, change := range changes {
		fmt.Println(change)
		for _, path := range change.Remove {
			fmt.Println("    remove", path)
		}
		for _, path := range change.Empty {
			fmt.Println("    empty ", path)
		}
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

// emulateGuestfs keeps libguestfs from KVM where guests do not really start
// under it: its machine would hang there until it gives up.
func emulateGuestfs(ctx context.Context) error {
	const settings = "LIBGUESTFS_BACKEND_SETTINGS"
	if _, set := os.LookupEnv(settings); set || !prepare.Available() {
		return nil
	}
	if kind, _ := doctor.DetectVirt(ctx, ""); kind == doctor.KVM {
		return nil
	}
	return os.Setenv(settings, "force_tcg")
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
	From string `placeholder:"URL" help:"A mirror in place of the maker's server; paths are the same."`
}

func (c *imageFetchCmd) Run(ctx context.Context) error {
	entry, err := catalogue.Find(c.Name)
	if err != nil {
		return err
	}
	if c.From != "" {
		if entry, err = entry.At(c.From); err != nil {
			return err
		}
	}
	if c.Arch == "" {
		c.Arch = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	}
	creds, err := runningCloud(ctx, &c.Config)
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

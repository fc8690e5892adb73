// Command report measures bin/kumoi from outside and prints tables: what was
// measured, its p50 and p99, the target, and how the two compare. Its parts can
// be run one by one:
//
//	control   speed and size of the control plane, guests and network pretended
//	identity  logins, validations and lists with 100,000 users
//	images    transfers beside dd, cp and sha512sum, and a long list
//	real      the whole path with real guests; as root, in a network namespace
//
// Rates are given per core as well: requests divided by the processor time that
// kumoi itself spent on them, which other work on the machine hardly changes.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

type options struct {
	bin, dir, image string
	servers         int
	guests, walks   int
	users           int
	images          int
	gib             float64
	only            string
}

// part is something that can be measured by itself.
type part struct {
	name    string
	measure func(ctx context.Context, o options) ([]*table, error)
}

// parts are in the order in which they are measured.
var parts = []part{
	{"control", pretended},
	{"identity", largeIdentity},
	{"images", transfers},
	{"real", realGuests},
}

func main() {
	var o options
	flag.StringVar(&o.bin, "kumoi", "bin/kumoi", "the binary to measure")
	flag.StringVar(&o.dir, "dir", "", "where to keep data (default: a temporary folder, removed at the end)")
	which := flag.String("parts", "control,identity,images", "what to measure, separated by commas: control, identity, images, real")
	flag.IntVar(&o.servers, "servers", 1000, "control: how many pretended servers to list")
	flag.IntVar(&o.users, "users", 100_000, "identity: how many users; there are a tenth as many projects, thrice as many assignments")
	flag.IntVar(&o.images, "images", 10_000, "images: how many to list")
	flag.Float64Var(&o.gib, "gib", 2, "images: size of the transfer in GiB")
	flag.IntVar(&o.guests, "guests", 10, "real: how many servers to create, one after the other")
	flag.IntVar(&o.walks, "walks", 3, "real: how often to walk the whole path, from nothing to a command inside a guest")
	flag.StringVar(&o.image, "image", "build/kumoi-guest.qcow2", "real: the guest image")
	against := flag.String("against", "", "compare with this older binary instead: processor time of each operation, in turns")
	flag.StringVar(&o.only, "only", "", "with -against: only operations whose names have this text")
	write := flag.String("write", "", "also write the tables to this Markdown file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *against != "" {
		compared := part{"compare", func(ctx context.Context, o options) ([]*table, error) { return compare(ctx, o, *against) }}
		if err := compared.run(ctx, o, *write); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(ctx, o, strings.Split(*which, ","), *write); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, which []string, write string) error {
	for _, name := range which {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return fmt.Errorf("there is no part %q", name)
		}
	}
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return err
	}
	o.bin = bin
	for _, p := range parts {
		if !slices.Contains(which, p.name) {
			continue
		}
		if err := p.run(ctx, o, write); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// run measures a part in a folder of its own and prints its tables.
func (p part) run(ctx context.Context, o options, write string) error {
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "kumoi-bench.")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	busy := load()
	tables, err := p.measure(ctx, o)
	for _, t := range tables {
		t.notes = append(t.notes, fmt.Sprintf("Load of the machine before: %s, at %s.", busy, time.Now().UTC().Format("2006-01-02 15:04 UTC")))
		t.print(os.Stdout)
	}
	if err != nil || write == "" {
		return err
	}
	return appendMarkdown(write, tables)
}

// load is how many processes wanted to run in the last minute.
func load() string {
	b, _ := os.ReadFile("/proc/loadavg")
	one, _, _ := strings.Cut(string(b), " ")
	return one
}

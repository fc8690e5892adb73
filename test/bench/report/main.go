// Command report measures bin/kumoi from outside and prints one table: what was
// measured, its p50 and p99, the target, and how the two compare.
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
)

type options struct {
	bin, dir, image string
	servers         int
	real            bool
}

func main() {
	var o options
	flag.StringVar(&o.bin, "kumoi", "bin/kumoi", "the binary to measure")
	flag.StringVar(&o.dir, "dir", "", "where to keep data (default: a temporary folder, removed at the end)")
	flag.IntVar(&o.servers, "servers", 1000, "how many pretended servers to list")
	flag.BoolVar(&o.real, "real", false, "walk the whole path with real guests instead; as root, in a network namespace")
	flag.StringVar(&o.image, "image", "build/kumoi-guest.qcow2", "the guest image of -real")
	write := flag.String("write", "", "also write the tables to this Markdown file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, *write); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, write string) error {
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
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return err
	}
	o.bin = bin
	measure := pretended
	if o.real {
		measure = realGuests
	}
	tables, err := measure(ctx, o)
	for _, t := range tables {
		t.print(os.Stdout)
	}
	if err != nil || write == "" {
		return err
	}
	return appendMarkdown(write, tables)
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"kumoi/test/bench"
)

// walked is a line of "kumoi demo": "[ 2/12] image kumoi-guest   is there   0.01s".
var walked = regexp.MustCompile(`^\[ *\d+/\d+\] (.{34}\S*) .*?(\d+\.\d+)s$`)

// wholePath walks from an empty data directory to a command inside a guest,
// again and again, and says how long each part took.
func wholePath(ctx context.Context, o options) (*table, error) {
	t := &table{
		title: fmt.Sprintf("The whole path, %d times from nothing to a command inside the guest", o.walks),
		head:  []string{"part", "p50", "p99"},
	}
	took := map[string][]time.Duration{}
	var order []string
	note := func(part string, d time.Duration) {
		if took[part] == nil {
			order = append(order, part)
		}
		took[part] = append(took[part], d)
	}
	const ready, all = "kumoi ready, with its daemons started", "the walk, all of it"
	for i := range o.walks {
		fmt.Fprintf(os.Stderr, "bench: walk %d of %d\n", i+1, o.walks)
		if err := walkOnce(ctx, o, func(p *process) { note(ready, p.ready) }, note, all); err != nil {
			return t, err
		}
	}
	for _, part := range order {
		s := bench.Samples{Times: took[part]}
		t.add(part, ms(s.Quantile(0.5)), ms(s.Quantile(0.99)))
	}
	t.notes = append(t.notes, "The last part is the guest's boot, its login server and the command; the guest is emulated where there is no KVM.")
	return t, nil
}

func walkOnce(ctx context.Context, o options, started func(*process), note func(string, time.Duration), all string) (err error) {
	listen, err := freePort()
	if err != nil {
		return err
	}
	p, err := up(ctx, o, listen)
	if err != nil {
		return err
	}
	defer func() {
		if derr := p.purge(); err == nil {
			err = derr
		}
	}()
	started(p)
	start := time.Now()
	out, err := exec.CommandContext(ctx, o.bin, "demo", "--data-dir", p.dir, "--listen", listen, "--guest-image", o.image).CombinedOutput()
	if err != nil {
		return fmt.Errorf("kumoi demo: %w: %s", err, out)
	}
	note(all, time.Since(start))
	return walkedParts(out, func(part string, took time.Duration) { note("  "+part, took) })
}

// walkedParts reads what "kumoi demo" says of its steps.
func walkedParts(out []byte, note func(part string, took time.Duration)) error {
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if m := walked.FindStringSubmatch(lines.Text()); m != nil {
			seconds, err := strconv.ParseFloat(m[2], 64)
			if err != nil {
				return err
			}
			note(strings.TrimSpace(m[1]), time.Duration(seconds*float64(time.Second)))
		}
	}
	return nil
}

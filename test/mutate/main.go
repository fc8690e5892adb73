// Command mutate asks how much a package's tests see: it puts small random faults
// into the package's code, one at a time, runs the tests with each, and prints the
// faults that no test noticed. The code itself is never touched: the go command
// reads the changed file in place of it (-overlay).
//
//	go run ./test/mutate -pkg ./internal/network -n 30 -seed 7 -more ./test/apptest
//
// Some survivors are no fault at all (a bound that cannot be met). The others ask
// for a test of the behaviour, not of the line.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

// outcome is what tests said of a fault.
type outcome int

const (
	seen outcome = iota
	unseen
	unbuilt // it does not compile: no fault that a person could make
)

func main() {
	pkg := flag.String("pkg", "", "the package, such as ./internal/network")
	n := flag.Int("n", 10, "how many faults to try")
	seed := flag.Uint64("seed", uint64(time.Now().Unix()), "the same seed draws the same faults")
	more := flag.String("more", "", "packages whose tests are run as well, after the package's own")
	limit := flag.Duration("timeout", 5*time.Minute, "how long the tests may take with one fault")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *pkg, *n, *seed, strings.Fields(*more), *limit); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, pkg string, n int, seed uint64, more []string, limit time.Duration) error {
	faults, err := faultsOf(pkg)
	if err != nil {
		return err
	}
	if len(faults) == 0 {
		return fmt.Errorf("%q: there is no code that a fault could be put into; say which package with -pkg ./internal/…", pkg)
	}
	dir, err := os.MkdirTemp("", "kumoi-mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	suites := append([]string{pkg}, more...)
	fmt.Printf("%d places for a fault in %s; seed %d\n", len(faults), pkg, seed)
	if out, err := test(ctx, "", suites, limit); err != nil {
		return fmt.Errorf("the tests fail without any fault: %w\n%s", err, out)
	}
	rand.New(rand.NewPCG(seed, seed)).Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] }) //nolint:gosec // chance, not a secret
	tried, noticed := 0, 0
	for _, f := range faults {
		if tried == n || ctx.Err() != nil {
			break
		}
		result, err := try(ctx, dir, f, suites, limit)
		if err != nil {
			return err
		}
		switch result {
		case unbuilt:
			continue
		case seen:
			noticed++
		case unseen:
			fmt.Println("unseen", f)
		}
		tried++
	}
	fmt.Printf("the tests saw %d of %d faults\n", noticed, tried)
	return ctx.Err()
}

// try runs the suites, one after the other, with a fault in the code.
func try(ctx context.Context, dir string, f fault, suites []string, limit time.Duration) (outcome, error) {
	file, err := filepath.Abs(f.file)
	if err != nil {
		return 0, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	changed, overlay := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(changed, f.apply(text), 0o600); err != nil {
		return 0, err
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {file: changed}})
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		return 0, err
	}
	for _, s := range suites {
		out, err := test(ctx, overlay, []string{s}, limit)
		switch {
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case err != nil && (strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]")):
			return unbuilt, nil
		case err != nil:
			return seen, nil
		}
	}
	return unseen, nil
}

// test runs tests; a fault that makes them hang is seen by the time that is over.
func test(ctx context.Context, overlay string, suites []string, limit time.Duration) (string, error) {
	args := []string{"test", "-count=1", "-vet=off", "-failfast", "-timeout=" + limit.String()}
	if overlay != "" {
		args = append(args, "-overlay="+overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, suites...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

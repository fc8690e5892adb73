// Command mutate asks how much tests see: it puts small random faults into a
// package's code, one at a time, runs the tests with each, and prints the faults that
// no test noticed.
//
//	go run ./test/mutate -pkg ./internal/network -n 30 -seed "7 8"
//
// All faults are woven into the code at once, asleep, so that the tests are built
// once; the process's environment says which one wakes. Each test is first run by
// itself without a fault, to learn how long it takes and which places it comes by:
// a fault is then tried with the tests that can see it. The files are never touched:
// the go command reads the woven ones in place of them (-overlay).
//
// Some survivors are no fault at all (a bound that cannot be met). The others ask
// for a test of the behaviour, not of the line.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

type options struct {
	pkg     string
	n       int
	seeds   []string
	more    []string
	reach   bool
	verbose bool
	limit   time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.pkg, "pkg", "", "the package, such as ./internal/network, or ./internal/network/... for all of the service's")
	flag.IntVar(&o.n, "n", 10, "how many faults to try")
	seeds := flag.String("seed", strconv.FormatInt(time.Now().Unix(), 10), "the same seed draws the same faults of the same code; several make several draws")
	more := flag.String("more", "./test/apptest", "packages whose tests are run as well as those of the service")
	flag.BoolVar(&o.reach, "reach", false, "print as well every fault that no test comes by")
	flag.BoolVar(&o.verbose, "v", false, "print the faults that were seen, and by which test")
	flag.DurationVar(&o.limit, "timeout", 5*time.Minute, "how long a test may take without any fault")
	flag.Parse()
	o.seeds, o.more = strings.Fields(*seeds), strings.Fields(*more)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	c, err := read(ctx, o.pkg)
	if err != nil {
		return err
	}
	if len(c.faults) == 0 {
		return fmt.Errorf("%q: there is no code that a fault could be put into; say which package with -pkg ./internal/…", o.pkg)
	}
	dir, err := os.MkdirTemp("", "kumoi-mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	suites, err := suitesOf(ctx, c, o.pkg, o.more)
	if err != nil {
		return err
	}
	if err := build(ctx, &c, suites, dir); err != nil {
		return err
	}
	for i := range suites {
		if err := suites[i].learn(ctx, dir, o.limit); err != nil {
			return err
		}
	}
	unreached := 0
	for _, f := range c.faults {
		if !slices.ContainsFunc(suites, func(s suite) bool { names, _ := s.meeting(f.id); return names != nil }) {
			unreached++
			if o.reach {
				fmt.Println("not reached", shown(f))
			}
		}
	}
	fmt.Printf("%d places for a fault in %s; no test comes by %d of them\n", len(c.faults), o.pkg, unreached)
	return draw(ctx, o, c, suites)
}

// draw tries each seed's faults; one that two seeds draw is tried once.
func draw(ctx context.Context, o options, c code, suites []suite) error {
	known := map[int]string{}
	for _, seed := range o.seeds {
		number, err := strconv.ParseUint(seed, 10, 64)
		if err != nil {
			return fmt.Errorf("a seed is a number: %w", err)
		}
		drawn := slices.Clone(c.faults)
		rand.New(rand.NewPCG(number, number)).Shuffle(len(drawn), func(i, j int) { drawn[i], drawn[j] = drawn[j], drawn[i] }) //nolint:gosec // chance, not a secret
		drawn = drawn[:min(o.n, len(drawn))]
		noticed := 0
		for _, f := range drawn {
			witness, ok := known[f.id]
			if !ok {
				witness = try(ctx, f, suites)
				known[f.id] = witness
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			switch {
			case witness == "":
				fmt.Println("unseen", shown(f))
			case o.verbose:
				fmt.Println("seen  ", shown(f), "by", witness)
			}
			if witness != "" {
				noticed++
			}
		}
		fmt.Printf("seed %s: the tests saw %d of %d faults\n", seed, noticed, len(drawn))
	}
	return nil
}

// try wakes a fault and runs the tests that come by it, the quickest package first,
// until one fails, and does so again when it is asked again.
func try(ctx context.Context, f fault, suites []suite) string {
	byTime := slices.SortedFunc(slices.Values(suites), func(a, b suite) int {
		_, x := a.meeting(f.id)
		_, y := b.meeting(f.id)
		return cmp.Compare(x, y)
	})
	awake := "KUMOI_MUTANT=" + strconv.Itoa(f.id)
	for _, s := range byTime {
		names, takes := s.meeting(f.id)
		if len(names) == 0 {
			continue
		}
		limit := 3*takes + 10*time.Second // a fault that makes tests hang is seen by the time that is over
		failed, _ := s.run(ctx, names, limit, awake)
		if failed == "" {
			continue
		}
		if failed != "?" {
			names = []string{failed}
		}
		if again, _ := s.run(ctx, names, limit, awake); again != "" {
			return s.path + " " + failed
		}
	}
	return ""
}

// shown is a fault with the file's path as people write it.
func shown(f fault) fault {
	here, err := os.Getwd()
	if err != nil {
		return f
	}
	if rel, err := filepath.Rel(here, f.file); err == nil {
		f.file = rel
	}
	return f
}

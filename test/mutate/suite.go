package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// suite is a package's tests, built once with every fault asleep in the code.
type suite struct {
	path, dir, binary string
	tests             []aTest
}

// aTest is one test, how long it takes, and which faults it comes by.
type aTest struct {
	name  string
	takes time.Duration
	meets map[int]bool
}

// suitesOf finds the packages with tests that reach the code: the service's own, and more.
func suitesOf(ctx context.Context, c code, pattern string, more []string) ([]suite, error) {
	where := []string{family(pattern)}
	all, err := goList(ctx, append([]string{"-test", "-json=ImportPath,Dir,ForTest,Deps,Name"}, append(where, more...)...)...)
	if err != nil {
		return nil, err
	}
	var out []suite
	for _, l := range all {
		path, isTest := strings.CutSuffix(l.ImportPath, ".test")
		if isTest && slices.ContainsFunc(l.Deps, func(d string) bool {
			plain, _, _ := strings.Cut(d, " ")
			return slices.ContainsFunc(c.packages, func(p listed) bool { return p.ImportPath == plain })
		}) {
			out = append(out, suite{path: path, dir: l.Dir})
		}
	}
	return out, nil
}

// family is every package of a service: ./internal/network/... of ./internal/network/api.
func family(pattern string) string {
	parts := strings.Split(strings.TrimSuffix(filepath.ToSlash(filepath.Clean(pattern)), "/..."), "/")
	if i := slices.Index(parts, "internal"); i >= 0 && i+1 < len(parts) {
		parts = parts[:i+2]
	}
	return "./" + strings.Join(parts, "/") + "/..."
}

var position = regexp.MustCompile(`(?m)^(\S+\.go):(\d+):`)

// build makes the suites' programs. Where a woven fault does not compile it is left
// out, and so is every other on its line.
func build(ctx context.Context, c *code, suites []suite, dir string) error {
	for try := 0; ; try++ {
		overlay, err := c.write(dir)
		if err != nil {
			return err
		}
		bad := ""
		for i := range suites {
			s := &suites[i]
			s.binary = filepath.Join(dir, strconv.Itoa(i)+".test")
			cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-gcflags=-e", "-overlay="+overlay, "-o", s.binary, s.path) //nolint:gosec // the go command, told packages
			out, err := cmd.CombinedOutput()
			if err != nil {
				bad = string(out)
				break
			}
		}
		if bad == "" {
			return nil
		}
		before := len(c.faults)
		for _, m := range position.FindAllStringSubmatch(bad, -1) {
			line, _ := strconv.Atoi(m[2])
			c.faults = slices.DeleteFunc(c.faults, func(f fault) bool {
				return f.line == line && filepath.Base(f.file) == filepath.Base(m[1])
			})
		}
		if len(c.faults) == before || try == 9 {
			return fmt.Errorf("the tests do not build: %s", bad)
		}
	}
}

// learn runs every test by itself, without any fault, and keeps what it met. A test
// that fails so is no witness.
func (s *suite) learn(ctx context.Context, dir string, limit time.Duration) error {
	cmd := exec.CommandContext(ctx, s.binary, "-test.list", ".") //nolint:gosec // what was just built
	cmd.Dir = s.dir
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("the tests of %s: %w", s.path, err)
	}
	notes := filepath.Join(dir, "notes")
	for _, name := range strings.Fields(string(text)) {
		if strings.HasPrefix(name, "Benchmark") {
			continue
		}
		os.Remove(notes)
		began := time.Now()
		failed, out := s.run(ctx, []string{name}, limit, "KUMOI_MUTANT_NOTES="+notes)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if failed != "" {
			fmt.Printf("left out: %s of %s fails without any fault\n%s", name, s.path, out)
			continue
		}
		t := aTest{name, time.Since(began), map[int]bool{}}
		met, _ := os.ReadFile(notes)
		for _, id := range strings.Fields(string(met)) {
			n, _ := strconv.Atoi(id)
			t.meets[n] = true
		}
		if len(t.meets) > 0 {
			s.tests = append(s.tests, t)
		}
	}
	return nil
}

// meeting lists the tests that come by a fault, and how long they take in all.
func (s *suite) meeting(id int) (names []string, takes time.Duration) {
	for _, t := range s.tests {
		if t.meets[id] {
			names, takes = append(names, t.name), takes+t.takes
		}
	}
	return names, takes
}

// run runs tests until the first fails, and names it; a program that ends otherwise
// than well, or not in time, has failed in "?".
func (s *suite) run(ctx context.Context, tests []string, limit time.Duration, env ...string) (failed, output string) {
	over, stop := context.WithTimeout(ctx, limit+5*time.Second)
	defer stop()
	cmd := exec.CommandContext(over, s.binary, //nolint:gosec // what was just built
		"-test.run=^("+strings.Join(tests, "|")+")$", "-test.failfast", "-test.timeout="+limit.String(), "-test.paniconexit0")
	cmd.Dir, cmd.Env, cmd.WaitDelay = s.dir, append(os.Environ(), env...), 5*time.Second
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return "?", err.Error()
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return "?", err.Error()
	}
	var out strings.Builder
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		if out.Len() < 4000 {
			out.WriteString(lines.Text() + "\n")
		}
		if name, ok := strings.CutPrefix(lines.Text(), "--- FAIL: "); ok && failed == "" {
			failed, _, _ = strings.Cut(name, " ")
			stop() // the others have nothing to add
		}
	}
	if err := cmd.Wait(); err != nil && failed == "" {
		failed = "?"
	}
	return failed, out.String()
}

package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const smallCode = `package small

import (
	"errors"
	"time"
)

const room = 1 << 4

var errMany = errors.New("many")

func clamp(n, most int) (int, error) {
	if n > most && most > 0 || n == -1 {
		return most, nil
	}
	if err := check(n); err != nil {
		return 0, err
	}
	out := make([]string, 0, 8)
	return n + len(out), nil
}

func check(n int) error {
	if n >= 100 {
		return errMany
	}
	return nil
}

// Wait is in no test.
func Wait() time.Duration { return 3 * time.Second }

// Twice is tested well, but for what happens to many.
func Twice(n int) (int, error) {
	if err := check(n); err != nil {
		return 0, err
	}
	return n + n, nil
}
`

const smallTest = `package small

import "testing"

func Test(t *testing.T) {
	if n, err := Twice(2); n != 4 || err != nil {
		t.Fail()
	}
}
`

// Every kind of fault is found and woven in, none where it would be no fault; of a
// package whose test looks at one function only, the faults in that one are seen, and
// the package's own files stay as they are.
func TestFaults(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module small\n\ngo 1.22\n", "small.go": smallCode, "small_test.go": smallTest} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	ctx := context.Background()
	c, err := read(ctx, ".")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]fault{}
	for _, f := range c.faults {
		got[f.what] = f
		if strings.HasPrefix(f.what, "8 ") || strings.Contains(f.what, "<<") {
			t.Errorf("nobody can see %s", f)
		}
	}
	for _, want := range []string{
		"negated: if n > most && most > 0 || n == -1", "&& became || in n > most && most > 0", "|| became && in n > most && most > 0 || n == -1",
		"> became >= in n > most", "0 became one more in return 0, err", "!= became == in err != nil", "the error is dropped: return 0, err",
		"3 became one more in func Wait() time.Duration { return 3 * time.Second }",
	} {
		if _, ok := got[want]; !ok {
			t.Errorf("%q is not found", want)
		}
	}
	suites, err := suitesOf(ctx, c, ".", nil)
	if err != nil || len(suites) != 1 {
		t.Fatal(suites, err)
	}
	all := len(c.faults)
	if err := build(ctx, &c, suites, t.TempDir()); err != nil || len(c.faults) != all {
		t.Fatalf("%d of %d woven: %v", len(c.faults), all, err)
	}
	if err := suites[0].learn(ctx, t.TempDir(), time.Minute); err != nil {
		t.Fatal(err)
	}
	for what, seen := range map[string]bool{
		"+ became - in n + n": true, "!= became == in err != nil": true, "negated: if n >= 100": true, "the error is dropped: return 0, err": false,
		"> became >= in n > most": false, ">= became > in n >= 100": false,
	} {
		f := got[what]
		for _, other := range c.faults { // the last of its kind is the tested function's
			if other.what == what {
				f = other
			}
		}
		if by := try(ctx, f, suites); (by != "") != seen {
			t.Errorf("%s: seen by %q, want %v", f, by, seen)
		}
	}
	if text, _ := os.ReadFile("small.go"); string(text) != smallCode {
		t.Error("the file was changed")
	}
}

// Faults in one another are woven from the outside in, whatever their order, and no
// line moves.
func TestWeave(t *testing.T) {
	text := []byte("if a &&\n\tb < c {")
	faults := []fault{
		{id: 2, from: 9, to: 14, open: "less(%d, ", shut: ")", op: [2]int{11, 12}, middle: ","},
		{id: 1, from: 3, to: 14, open: "((", shut: ") != mutant(%d))"},
	}
	for range 2 {
		if got := string(weave(text, faults)); got != "if ((a &&\n\tless(2, b , c)) != mutant(1)) {" {
			t.Error(got)
		}
		slices.Reverse(faults)
	}
}

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

const code = `package small

func clamp(n, most int) (int, error) {
	if n > most && most > 0 {
		return most, nil
	}
	if err := check(n); err != nil {
		return 0, err
	}
	return n, nil
}

func check(int) error { return nil }

// Twice is tested well.
func Twice(n int) int { return n + n }
`

func TestFaults(t *testing.T) {
	found, err := faultsIn("small.go", []byte(code))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found {
		got = append(got, f.what)
		changed := string(f.apply([]byte(code)))
		if changed == code {
			t.Errorf("%s changes nothing", f)
		}
		if _, err := faultsIn("small.go", []byte(changed)); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	for _, want := range []string{
		"negated: if n > most && most > 0", "&& became || in n > most && most > 0", "> became >= in n > most", "0 became one more",
		"!= became == in err != nil", "the error is dropped: return 0, err", "+ became - in n + n",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is missing among\n%s", want, strings.Join(got, "\n"))
		}
	}
}

// Of a package whose tests look at one function only, the faults in that one are
// seen; the package's own files stay as they are.
func TestTry(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "small.go")
	for name, text := range map[string]string{
		"go.mod": "module small\n\ngo 1.21\n", "small.go": code,
		"small_test.go": "package small\n\nimport \"testing\"\n\nfunc Test(t *testing.T) {\n\tif Twice(2) != 4 {\n\t\tt.Fail()\n\t}\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	found, err := faultsOf(".")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]outcome{"+ became - in n + n": seen, "> became >= in n > most": unseen}
	for _, f := range found {
		if expected, ok := want[f.what]; ok {
			got, err := try(context.Background(), t.TempDir(), f, []string{"."}, time.Minute)
			if err != nil || got != expected {
				t.Errorf("%s: %d %v", f, got, err)
			}
			delete(want, f.what)
		}
	}
	broken := fault{file: "small.go", from: 0, to: 7, substitute: "no Go"}
	if got, err := try(context.Background(), t.TempDir(), broken, []string{"."}, time.Minute); err != nil || got != unbuilt {
		t.Errorf("what does not compile: %d %v", got, err)
	}
	if text, _ := os.ReadFile(file); string(text) != code || len(want) > 0 {
		t.Errorf("the file was changed, or not tried: %v", want)
	}
}

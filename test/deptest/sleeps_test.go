package deptest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var sleep = regexp.MustCompile(`\btime\.Sleep\(`)

// No test sleeps, nor does what tests are made of: it waits for a condition. (What
// is measured at a pace, in test/bench, may.) The product does not sleep either:
// it could not be stopped meanwhile.
func TestNobodySleeps(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"../../cmd", "../../internal", "../../test"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasPrefix(path, "../../test/bench") || strings.HasSuffix(path, "deptest/sleeps_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err == nil && sleep.Match(text) {
				t.Errorf("%s sleeps; tests wait with kernel/waittest, the product with a timer and its context", strings.TrimPrefix(path, "../../"))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

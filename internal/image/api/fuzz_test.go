package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"kumoi/internal/kernel/store"
)

// FuzzPointer: what is accepted has parts, none of them empty, and an accepted
// pointer never grows.
func FuzzPointer(f *testing.F) {
	for _, s := range []string{"/a", "/a~1b/c~0", "//", "/", "a", "/~2", "/locations/-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parts, err := parsePointer(s)
		if err != nil {
			return
		}
		if len(parts) == 0 || slices.Contains(parts, "") || len(strings.Join(parts, "/"))+1 > len(s) {
			t.Fatalf("%q: %q", s, parts)
		}
	})
}

// FuzzFilter: any parameter gives a filter that the store knows, or an error.
func FuzzFilter(f *testing.F) {
	for _, kv := range [][2]string{{"name", `in:"a,b",c`}, {"size_min", "5"}, {"created_at", "gt:2020-01-01T00:00:00Z"}, {"os_hidden", "true"}, {"x", "y"}} {
		f.Add(kv[0], kv[1])
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		got, err := filter(key, value)
		if err != nil {
			return
		}
		for _, c := range got {
			if c.Field == "" || c.Value == nil || c.Op == store.Contains {
				t.Fatalf("%q=%q: %+v", key, value, got)
			}
		}
	})
}

// FuzzRange: an accepted range lies within the image.
func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-5", "bytes=5-", "bytes=9-3", "x", "bytes=0-1,3-4"} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, text string, size int64) {
		if size < 0 || !utf8.ValidString(text) {
			return
		}
		off, n, _, err := byteRange(http.Header{"Range": {text}}, size)
		if err == nil && (off < 0 || n < 0 || off > size || n > size-off) {
			t.Fatalf("%q of %d: %d+%d", text, size, off, n)
		}
	})
}

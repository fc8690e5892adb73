package agent

import "testing"

func TestLastLines(t *testing.T) {
	for _, tc := range []struct {
		log  string
		n    int
		want string
	}{
		{"", 3, ""},
		{"one", 3, "one"},
		{"one\ntwo\nthree", 0, "one\ntwo\nthree"},
		{"one\ntwo\nthree", 2, "two\nthree"},
		{"one\ntwo\nthree\n", 2, "three\n"},
		{"one\ntwo\nthree\n", 9, "one\ntwo\nthree\n"},
		{"one\n", 1, ""},
	} {
		if got := string(lastLines([]byte(tc.log), tc.n)); got != tc.want {
			t.Errorf("the last %d of %q are %q, want %q", tc.n, tc.log, got, tc.want)
		}
	}
}

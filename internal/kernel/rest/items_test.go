package rest

import (
	"encoding/json"
	"testing"
)

// However many goroutines write a list, it is whole and in order.
func TestItems(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 99, 100, 199, 200, 201, 999, 1000} {
		list := make([]int, n)
		for i := range list {
			list[i] = i
		}
		w := NewWriter()
		w.List("", func() {
			Items(w, list, 8, func(w *Writer, i int) { w.Object("", func() { w.Int("id", int64(i)) }) })
		})
		var got []struct{ ID int }
		if err := json.Unmarshal(w.Bytes(), &got); err != nil || len(got) != n {
			t.Fatalf("%d items: %d, %v: %.80s", n, len(got), err, w.Bytes())
		}
		for i, s := range got {
			if s.ID != i {
				t.Fatalf("%d items: at %d stands %d", n, i, s.ID)
			}
		}
	}
	defer func() {
		if p := recover(); p != "view" {
			t.Errorf("recovered %v, want the panic of a view", p)
		}
	}()
	Items(NewWriter(), make([]int, 1000), 8, func(*Writer, int) { panic("view") })
}

func TestKeysOfMaps(t *testing.T) {
	t.Parallel()
	w := NewWriter()
	w.Object("", func() {
		w.TextMap("m", map[string]string{"k2": "", "k1": "v", "": "x"})
		w.TextMap("n", nil)
		w.Key("")
		w.List("", func() {})
		w.Bool("b", true)
	})
	if got, want := string(w.Bytes()), `{"m":{"":"x","k1":"v","k2":""},"n":{},"":[],"b":true}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

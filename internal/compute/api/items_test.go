package api

import (
	"encoding/json"
	"fmt"
	"testing"

	"kumoi/internal/compute"
)

// However many goroutines write a list, it is whole and in order.
func TestItems(t *testing.T) {
	for _, n := range []int{0, 1, 99, 100, 199, 200, 201, 999, 1000} {
		list := make([]*compute.Server, n)
		for i := range list {
			list[i] = &compute.Server{ID: fmt.Sprint(i)}
		}
		w := &writer{}
		w.list("", func() {
			w.items(list, 8, func(w *writer, s *compute.Server) {
				w.object("", func() { w.str("id", s.ID) })
			})
		})
		var got []struct{ ID string }
		if err := json.Unmarshal(w.b, &got); err != nil || len(got) != n {
			t.Fatalf("%d servers: %d, %v: %.80s", n, len(got), err, w.b)
		}
		for i, s := range got {
			if s.ID != fmt.Sprint(i) {
				t.Fatalf("%d servers: at %d stands %s", n, i, s.ID)
			}
		}
	}
	defer func() {
		if p := recover(); p != "view" {
			t.Errorf("recovered %v, want the panic of a view", p)
		}
	}()
	list := make([]*compute.Server, 1000)
	(&writer{}).items(list, 8, func(*writer, *compute.Server) { panic("view") })
}

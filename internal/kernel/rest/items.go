package rest

import (
	"runtime"
	"slices"
	"sync"

	"kumoi/internal/kernel/httpx"
)

// Key writes a key alone, which may be ""; its value is written next, with the key "".
func (w *Writer) Key(key string) {
	w.begin("")
	w.b = append(httpx.AppendText(w.b, key), ':')
}

// TextMap writes an object of strings, in the order of its keys, never null.
func (w *Writer) TextMap(key string, m map[string]string) {
	w.Object(key, func() {
		if len(m) == 0 {
			return
		}
		keys := make([]string, 0, len(m))
		for k := range m {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			w.Key(k)
			w.Text("", m[k])
		}
	})
}

// makeRoom sees to it that a long list is not copied again and again as it grows:
// there is room for all its items by what those done since from have taken.
func (w *Writer) makeRoom(from, done, all int) {
	if done == 0 {
		return
	}
	size := (len(w.b) - from) / done
	if cap(w.b)-len(w.b) < 2*size {
		w.b = slices.Grow(w.b, (all-done+1)*(size+size/16))
	}
}

// Items writes the items of a list that was begun, a long one by several
// goroutines at once: words are most of what it costs. size is about what one takes.
func Items[T any](w *Writer, list []T, size int, item func(w *Writer, v T)) {
	const atLeast = 100 // for which another goroutine is worth it
	n := max(1, min(runtime.GOMAXPROCS(0), len(list)/atLeast))
	w.b = slices.Grow(w.b, size*len(list)/n)
	parts := make([]Writer, n)
	var g sync.WaitGroup
	panics := make([]any, n) // to be met by the gateway, as if there were one goroutine
	for i := range parts[1:] {
		g.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panics[i+1] = p
				}
			}()
			p, mine := &parts[i+1], list[(i+1)*len(list)/n:(i+2)*len(list)/n]
			p.b = make([]byte, 0, size*len(mine))
			for _, v := range mine {
				item(p, v)
			}
		})
	}
	for _, v := range list[:len(list)/n] {
		item(w, v)
	}
	g.Wait()
	if i := slices.IndexFunc(panics, func(p any) bool { return p != nil }); i >= 0 {
		panic(panics[i])
	}
	for _, p := range parts[1:] {
		w.begin("")
		w.b = append(w.b, p.b...)
	}
}

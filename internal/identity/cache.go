package identity

import (
	"sync"
	"sync/atomic"
)

// watch knows since when knowledge about a tag is stale.
type watch struct {
	clock   atomic.Uint64 // counts changes
	mu      sync.RWMutex
	changed map[string]uint64 // tag → clock of its last change
	floor   uint64            // whatever was learnt before is stale
}

const maxWatchedTags = 100_000

func newWatch() *watch { return &watch{changed: map[string]uint64{}} }

// now is taken before reading what is to be remembered.
func (w *watch) now() uint64 { return w.clock.Load() }

// mark makes what is known about the tags stale.
func (w *watch) mark(tags ...string) {
	if len(tags) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.clock.Load() + 1
	if len(w.changed) > maxWatchedTags {
		clear(w.changed)
		w.floor = n
	}
	for _, t := range tags {
		w.changed[t] = n
	}
	w.clock.Store(n) // last: whoever sees n sees the marks
}

// fresh tells whether none of the tags changed after at.
func (w *watch) fresh(at uint64, tags []string) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if at < w.floor {
		return false
	}
	for _, t := range tags {
		if w.changed[t] > at {
			return false
		}
	}
	return true
}

// memo remembers values until one of their tags changes. It holds at most two
// generations of size entries; what is used survives into the younger one.
type memo[V any] struct {
	watch *watch
	size  int
	mu    sync.RWMutex
	young map[string]*remembered[V]
	old   map[string]*remembered[V]
}

type remembered[V any] struct {
	value   V
	tags    []string
	at      uint64
	checked atomic.Uint64 // the watch's clock at which it was last seen to be fresh
}

func newMemo[V any](w *watch, size int) *memo[V] {
	return &memo[V]{watch: w, size: size, young: map[string]*remembered[V]{}}
}

// get returns what is known and still true.
func (m *memo[V]) get(key string) (V, bool) {
	m.mu.RLock()
	r, ok := m.young[key]
	var aged bool
	if !ok {
		r, ok = m.old[key]
		aged = ok
	}
	m.mu.RUnlock()
	if !ok {
		var zero V
		return zero, false
	}
	now := m.watch.now()
	if r.checked.Load() != now {
		if !m.watch.fresh(r.at, r.tags) {
			var zero V
			return zero, false
		}
		r.checked.Store(now)
	}
	if aged {
		m.store(key, r)
	}
	return r.value, true
}

// put remembers a value that was read after the watch showed at.
func (m *memo[V]) put(key string, v V, at uint64, tags []string) {
	r := &remembered[V]{value: v, tags: tags, at: at}
	r.checked.Store(at)
	m.store(key, r)
}

func (m *memo[V]) store(key string, r *remembered[V]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.young) >= m.size {
		m.old, m.young = m.young, make(map[string]*remembered[V], m.size)
	}
	m.young[key] = r
}

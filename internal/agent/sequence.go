package agent

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// block is how many numbers are reserved on disk at a time.
const block = 1 << 20

// sequence gives numbers that only ever grow, also over crashes: a block of
// them is reserved on disk before the first is used.
type sequence struct {
	path string
	mu   sync.Mutex
	last int64
	top  int64 // reserved up to here
}

func openSequence(path string) (*sequence, error) {
	q := &sequence{path: path}
	data, err := os.ReadFile(path)
	switch {
	case os.IsNotExist(err):
	case err != nil:
		return nil, err
	default:
		if q.last, err = strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err != nil {
			return nil, fmt.Errorf("sequence in %s: %w", path, err)
		}
	}
	return q, q.reserve()
}

func (q *sequence) reserve() error {
	top := q.last + block
	if err := os.WriteFile(q.path+".new", []byte(strconv.FormatInt(top, 10)), 0o600); err != nil {
		return err
	}
	q.top = top
	return os.Rename(q.path+".new", q.path)
}

func (q *sequence) next() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last++
	if q.last >= q.top {
		// A full disk must not silence the host: go on, and try again next time.
		_ = q.reserve()
	}
	return q.last
}

// close gives back what was not used.
func (q *sequence) close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return os.WriteFile(q.path, []byte(strconv.FormatInt(q.last, 10)), 0o600)
}

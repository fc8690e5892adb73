package image

import (
	"crypto/md5" //nolint:gosec // the API's checksum is md5; os_hash_value is what counts
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"io"
	"sync"
	"sync/atomic"

	"kumoi/internal/kernel/errs"
)

// hashAlgo is the algorithm of os_hash_value.
const hashAlgo = "sha512"

// digest is what is known of data that has flowed by.
type digest struct {
	size     int64
	checksum string
	hash     string
}

// meter is a reader that hashes what is read through it. The hashes run beside
// each other and beside the reader, a few blocks behind; hashing is the slowest
// part of an upload, so it must not wait for the disk nor the disk for it.
type meter struct {
	r      io.Reader
	limit  int64 // of the whole, in bytes
	n      int64
	sums   []hash.Hash
	queues []chan *block
	free   chan *block
	made   int
	cur    *block
	wg     sync.WaitGroup
	closed bool
	extra  io.Writer // also given every byte, in order: signature verification
}

type block struct {
	buf  []byte
	left atomic.Int32 // hashes that still need it
}

const (
	blockSize = 256 << 10
	maxBlocks = 6
)

var blockPool = sync.Pool{New: func() any { return &block{buf: make([]byte, 0, blockSize)} }}

func newMeter(r io.Reader, limit int64, extra io.Writer) *meter {
	m := &meter{
		r: r, limit: limit, free: make(chan *block, maxBlocks), extra: extra,
		sums: []hash.Hash{md5.New(), sha512.New()},
	} //nolint:gosec // see above
	for _, h := range m.sums {
		queue := make(chan *block, maxBlocks)
		m.queues = append(m.queues, queue)
		m.wg.Go(func() {
			for b := range queue {
				h.Write(b.buf)
				if b.left.Add(-1) == 0 {
					b.buf = b.buf[:0]
					m.free <- b
				}
			}
		})
	}
	return m
}

// Read reads and hands a copy to the hashes.
func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if m.n += int64(n); m.n > m.limit {
		return n, errs.New(errs.TooLarge, "The incoming image is too large: at most %d bytes are allowed.", m.limit)
	}
	if m.extra != nil {
		if _, werr := m.extra.Write(p[:n]); werr != nil {
			return n, werr
		}
	}
	for rest := p[:n]; len(rest) > 0; {
		if m.cur == nil {
			m.cur = m.block()
		}
		k := copy(m.cur.buf[len(m.cur.buf):blockSize], rest)
		m.cur.buf = m.cur.buf[:len(m.cur.buf)+k]
		if rest = rest[k:]; len(m.cur.buf) == blockSize {
			m.flush()
		}
	}
	return n, err
}

// block returns an empty block, waiting for the hashes if they are far behind.
func (m *meter) block() *block {
	select {
	case b := <-m.free:
		return b
	default:
	}
	if m.made < maxBlocks {
		m.made++
		return blockPool.Get().(*block)
	}
	return <-m.free
}

func (m *meter) flush() {
	m.cur.left.Store(int32(len(m.queues)))
	for _, q := range m.queues {
		q <- m.cur
	}
	m.cur = nil
}

// sum ends the metering and returns what flowed by. It must be called once, in
// any case.
func (m *meter) sum() digest {
	if !m.closed {
		m.closed = true
		if m.cur != nil {
			m.flush()
		}
		for _, q := range m.queues {
			close(q)
		}
		m.wg.Wait()
		for range m.made {
			blockPool.Put(<-m.free)
		}
	}
	return digest{size: m.n, checksum: hex.EncodeToString(m.sums[0].Sum(nil)), hash: hex.EncodeToString(m.sums[1].Sum(nil))}
}

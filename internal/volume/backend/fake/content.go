package fake

import "maps"

// content is a disk's bytes in blocks, which are never changed once they are
// there: copies share them. What has no block is zero.
type content map[int64]*[block]byte

const block = 64 << 10

func (c content) clone() content { return maps.Clone(c) }

func (c content) used() int64 { return int64(len(c)) * block }

// end is behind the last block.
func (c content) end() int64 {
	end := int64(0)
	for at := range c {
		end = max(end, (at+1)*block)
	}
	return end
}

// pieces calls f for the part of p that lies in each block from off.
func pieces(p []byte, off int64, f func(at int64, inside int, part []byte)) {
	for len(p) > 0 {
		inside := int(off % block)
		n := min(block-inside, len(p))
		f(off/block, inside, p[:n])
		p, off = p[n:], off+int64(n)
	}
}

func (c content) read(p []byte, off int64) {
	pieces(p, off, func(at int64, inside int, part []byte) {
		if b := c[at]; b != nil {
			copy(part, b[inside:])
		} else {
			clear(part)
		}
	})
}

func (c content) write(p []byte, off int64) {
	pieces(p, off, func(at int64, inside int, part []byte) {
		b := new([block]byte)
		if old := c[at]; old != nil {
			*b = *old
		}
		copy(b[inside:], part)
		if *b == [block]byte{} {
			delete(c, at)
		} else {
			c[at] = b
		}
	})
}

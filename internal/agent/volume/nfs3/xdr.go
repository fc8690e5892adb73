package nfs3

import "encoding/binary"

// writer makes arguments in XDR.
type writer struct{ data []byte }

func (w *writer) uint32(list ...uint32) {
	for _, v := range list {
		w.data = binary.BigEndian.AppendUint32(w.data, v)
	}
}

func (w *writer) uint64(v uint64) { w.data = binary.BigEndian.AppendUint64(w.data, v) }

func (w *writer) opaque(b []byte) {
	w.uint32(uint32(len(b)))
	w.data = append(w.data, b...)
	for range -len(b) & 3 {
		w.data = append(w.data, 0)
	}
}

func (w *writer) string(s string) { w.opaque([]byte(s)) }

// reader takes results apart. One that ends too early is bad and gives zeros.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.data) {
		r.bad, r.data = true, nil
		return make([]byte, min(max(n, 0), 8))
	}
	out := r.data[:n]
	r.data = r.data[n:]
	return out
}

func (r *reader) uint32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) uint64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

func (r *reader) opaque() []byte {
	n := int(r.uint32())
	if n > len(r.data) {
		r.bad, r.data = true, nil
		return nil
	}
	out := r.take(n)
	r.take(min(-n&3, len(r.data)))
	return out
}

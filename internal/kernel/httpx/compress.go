package httpx

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip" // for long lists half the time of the standard library's
)

// compressFrom is the size from which compressing an answer is worth the work.
const compressFrom = 1 << 10

// TakesGzip reads Accept-Encoding.
func TakesGzip(h http.Header) bool {
	named, any := -1.0, -1.0
	for _, line := range h.Values("Accept-Encoding") {
		for part := range strings.SplitSeq(line, ",") {
			coding, params, _ := strings.Cut(part, ";")
			q := 1.0
			if _, text, ok := strings.Cut(params, "="); ok {
				if v, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
					q = v
				}
			}
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case "gzip", "x-gzip":
				named = q
			case "*":
				any = q
			}
		}
	}
	return named > 0 || named < 0 && any > 0
}

var gzips = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is a known one
	return w
}}

// compressed returns the JSON text of an answer as the client takes it, and
// sets the headers that say so.
//
// Compression beside secrets lets whoever can watch the length of answers, and
// have the victim's client repeat requests with text of his choice, guess the
// secrets (BREACH). Tokens travel in a header that a browser never adds by
// itself, so nobody can make a victim's client ask; still, answers that hold
// secrets (those to anything but GET, which makes them, tokens, and routes with
// SecretAnswer) are sent as they are.
func (w *recorder) compressed(text []byte) []byte {
	h := w.Header()
	if len(text) < compressFrom || w.secret || w.r.Method != http.MethodGet && !w.head ||
		h.Get("X-Subject-Token") != "" || h.Get("Content-Encoding") != "" {
		return text
	}
	h.Add("Vary", "Accept-Encoding")
	if !w.gzip {
		return text
	}
	var out growing
	z := gzips.Get().(*gzip.Writer) //nolint:forcetypeassert // the pool's own
	defer gzips.Put(z)
	z.Reset(&out)
	if _, err := z.Write(text); err != nil || z.Close() != nil { // memory does not fail
		return text
	}
	h.Set("Content-Encoding", "gzip")
	return out
}

// growing is a slice that is written to.
type growing []byte

func (g *growing) Write(b []byte) (int, error) {
	*g = append(*g, b...)
	return len(b), nil
}

package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"kumoi/internal/kernel/httpx"
)

// writer builds JSON text directly. Lists of a thousand servers with fifty
// keys each are what clients ask for most; reflection over maps would cost
// more than everything else about them.
type writer struct{ b []byte }

// response answers with what was written.
func (w *writer) response(status int) *httpx.Response {
	return (&httpx.Response{Status: status, Raw: w.b}).With("Content-Type", "application/json")
}

func ok(w *writer) *httpx.Response { return w.response(http.StatusOK) }

// comma separates from what stands before, if that is a value.
func (w *writer) comma() {
	if n := len(w.b); n > 0 {
		if c := w.b[n-1]; c != '{' && c != '[' && c != ':' && c != ',' {
			w.b = append(w.b, ',')
		}
	}
}

func (w *writer) key(k string) {
	w.comma()
	w.b = append(w.b, '"')
	w.b = append(w.b, k...)
	w.b = append(w.b, '"', ':')
}

func (w *writer) open(c byte) {
	w.comma()
	w.b = append(w.b, c)
}

func (w *writer) close(c byte) { w.b = append(w.b, c) }

// object writes "key": {…}; an empty key writes a bare object.
func (w *writer) object(k string, f func()) {
	if k != "" {
		w.key(k)
	}
	w.open('{')
	f()
	w.close('}')
}

// list writes "key": […].
func (w *writer) list(k string, f func()) {
	if k != "" {
		w.key(k)
	}
	w.open('[')
	f()
	w.close(']')
}

func (w *writer) str(k, v string) {
	w.key(k)
	w.text(v)
}

// text writes a bare string.
func (w *writer) text(v string) {
	w.comma()
	for i := range len(v) {
		if !plain[v[i]] {
			quoted, err := json.Marshal(v)
			if err != nil { // strings always marshal
				panic(err)
			}
			w.b = append(w.b, quoted...)
			return
		}
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, v...)
	w.b = append(w.b, '"')
}

// plain tells which bytes of a string stand in JSON as they are.
var plain = func() (out [256]bool) {
	for c := byte(0x20); c < utf8.RuneSelf; c++ {
		out[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return out
}()

// strOrNull writes null for nil.
func (w *writer) strOrNull(k string, v *string) {
	if v == nil {
		w.null(k)
		return
	}
	w.str(k, *v)
}

// nonEmpty writes null for "".
func (w *writer) nonEmpty(k, v string) {
	if v == "" {
		w.null(k)
		return
	}
	w.str(k, v)
}

func (w *writer) null(k string) {
	w.key(k)
	w.b = append(w.b, "null"...)
}

func (w *writer) num(k string, v int) {
	w.key(k)
	w.b = strconv.AppendInt(w.b, int64(v), 10)
}

func (w *writer) bool(k string, v bool) {
	w.key(k)
	w.b = strconv.AppendBool(w.b, v)
}

func (w *writer) strings(k string, m map[string]string) {
	w.object(k, func() {
		for _, key := range sorted(m) {
			w.comma()
			w.text(key)
			w.b = append(w.b, ':')
			w.text(m[key])
		}
	})
}

// when writes a time, or null if it has not come.
func (w *writer) when(k string, t time.Time, layout string) {
	if t.IsZero() {
		w.null(k)
		return
	}
	w.key(k)
	w.b = append(w.b, '"')
	w.b = t.UTC().AppendFormat(w.b, layout)
	w.b = append(w.b, '"')
}

// any writes whatever encoding/json makes of v.
func (w *writer) any(k string, v any) {
	w.key(k)
	b, err := json.Marshal(v)
	if err != nil { // views hold nothing that does not marshal
		panic(err)
	}
	w.b = append(w.b, b...)
}

func (w *writer) link(rel, href string) {
	w.object("", func() {
		w.str("rel", rel)
		w.str("href", href)
	})
}

// stamp is Nova's usual time format, micro the one of some fields.
const (
	stampLayout  = "2006-01-02T15:04:05Z"
	microsLayout = "2006-01-02T15:04:05.000000"
)

func stamp(t time.Time) string  { return t.UTC().Format(stampLayout) }
func micros(t time.Time) string { return t.UTC().Format(microsLayout) }

// microsOrNull is micros for a time that may not have come.
func microsOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return micros(t)
}

package rest

import (
	"net/http"
	"strconv"
	"time"

	"kumoi/internal/kernel/httpx"
)

// Writer writes an answer's JSON, key by key. Answers of a thousand rows with
// fifty keys each are what clients ask for most; maps and reflection over them
// would cost more than everything else about them.
//
// Within an object its methods take a key; in a list, and at the top, the key
// is "".
type Writer struct{ b []byte }

// NewWriter returns an empty one.
func NewWriter() *Writer { return &Writer{b: make([]byte, 0, 1024)} }

// Answer answers with what f writes.
func Answer(status int, f func(w *Writer)) *httpx.Response {
	w := NewWriter()
	f(w)
	return w.Response(status)
}

// Response answers with what was written.
func (w *Writer) Response(status int) *httpx.Response {
	return &httpx.Response{Status: status, Raw: w.b, Header: http.Header{"Content-Type": {"application/json"}}}
}

// Bytes is what was written.
func (w *Writer) Bytes() []byte { return w.b }

// begin separates from what stands before, and writes the key.
func (w *Writer) begin(key string) {
	if n := len(w.b); n > 0 {
		if c := w.b[n-1]; c != '{' && c != '[' && c != ':' && c != ',' {
			w.b = append(w.b, ',')
		}
	}
	if key != "" {
		w.b = append(httpx.AppendText(w.b, key), ':')
	}
}

// Object writes an object whose keys f writes.
func (w *Writer) Object(key string, f func()) {
	w.begin(key)
	w.b = append(w.b, '{')
	f()
	w.b = append(w.b, '}')
}

// List writes a list whose items f writes.
func (w *Writer) List(key string, f func()) {
	w.begin(key)
	w.b = append(w.b, '[')
	f()
	w.b = append(w.b, ']')
}

// Text writes a string.
func (w *Writer) Text(key, v string) {
	w.begin(key)
	w.b = httpx.AppendText(w.b, v)
}

// TextOrNull writes null for "".
func (w *Writer) TextOrNull(key, v string) {
	if v == "" {
		w.Null(key)
		return
	}
	w.Text(key, v)
}

// TextPointer writes null for nil.
func (w *Writer) TextPointer(key string, v *string) {
	if v == nil {
		w.Null(key)
		return
	}
	w.Text(key, *v)
}

// Texts writes a list of strings, never null.
func (w *Writer) Texts(key string, list []string) {
	w.begin(key)
	w.b = append(w.b, '[')
	for i, v := range list {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = httpx.AppendText(w.b, v)
	}
	w.b = append(w.b, ']')
}

// Int writes a number.
func (w *Writer) Int(key string, v int64) {
	w.begin(key)
	w.b = strconv.AppendInt(w.b, v, 10)
}

// IntPointer writes null for nil.
func (w *Writer) IntPointer(key string, v *int64) {
	if v == nil {
		w.Null(key)
		return
	}
	w.Int(key, *v)
}

// Bool writes true or false.
func (w *Writer) Bool(key string, v bool) {
	w.begin(key)
	w.b = strconv.AppendBool(w.b, v)
}

// Null writes null.
func (w *Writer) Null(key string) {
	w.begin(key)
	w.b = append(w.b, "null"...)
}

// Time writes a time in an API's way, null for the zero time.
func (w *Writer) Time(key string, t time.Time, as TimeFormat) {
	if t.IsZero() {
		w.Null(key)
		return
	}
	w.begin(key)
	w.b = append(w.b, '"')
	w.b = t.UTC().AppendFormat(w.b, string(as))
	w.b = append(w.b, '"')
}

// Any writes what no other method does: maps, slices, whatever encoding/json
// knows. A value that does not encode is null; views hold none.
func (w *Writer) Any(key string, v any) {
	w.begin(key)
	at := len(w.b)
	b, err := httpx.AppendJSON(w.b, v)
	if err != nil {
		b = append(b[:at], "null"...)
	}
	w.b = b
}

// Link writes {"rel": …, "href": …}.
func (w *Writer) Link(rel, href string) {
	w.Object("", func() {
		w.Text("rel", rel)
		w.Text("href", href)
	})
}

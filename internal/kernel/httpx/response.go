package httpx

import (
	"net/http"
	"strconv"
)

// Response is what a handler answers: a JSON body, text, nothing, or a stream.
type Response struct {
	Status int
	Header http.Header
	Body   any    // encoded as JSON unless Raw is set
	Raw    []byte // sent as it is, with Header's Content-Type
	// Stream, when set, writes the whole answer itself, status included.
	Stream func(w http.ResponseWriter) error
}

// JSON answers with a body.
func JSON(status int, body any) *Response { return &Response{Status: status, Body: body} }

// Empty answers with a status alone.
func Empty(status int) *Response { return &Response{Status: status} }

// NoContent answers 204.
func NoContent() *Response { return Empty(http.StatusNoContent) }

// Text answers with plain text.
func Text(status int, text string) *Response {
	return (&Response{Status: status, Raw: []byte(text)}).With("Content-Type", "text/plain; charset=UTF-8")
}

// Stream answers with what write sends.
func Stream(write func(w http.ResponseWriter) error) *Response { return &Response{Stream: write} }

// With adds a header.
func (r *Response) With(name, value string) *Response {
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Add(name, value)
	return r
}

func (r *Response) write(w http.ResponseWriter) error {
	for k, v := range r.Header {
		if k == "Vary" {
			v = append(w.Header()[k], v...)
		}
		w.Header()[k] = v
	}
	switch {
	case r.Stream != nil:
		return r.Stream(w)
	case r.Raw != nil:
		return send(w, r.Status, r.Raw)
	case r.Body != nil:
		return writeJSON(w, r.Status, r.Body)
	}
	if r.Status != http.StatusNoContent && r.Status != http.StatusNotModified {
		w.Header().Set("Content-Length", "0")
	}
	w.WriteHeader(r.Status)
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	b, err := EncodeJSON(v)
	if err != nil {
		return err
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	return send(w, status, b)
}

// send sends a whole body, compressed where that is JSON and wanted.
func send(w http.ResponseWriter, status int, b []byte) error {
	rec, ours := w.(*recorder)
	if ours && w.Header().Get("Content-Type") == "application/json" {
		b = rec.compressed(b)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	if ours {
		return rec.whole(b)
	}
	_, err := w.Write(b)
	return err
}

// WriteJSON is for Fault functions: it sends v as the answer's JSON body.
func WriteJSON(w http.ResponseWriter, status int, v any) { _ = writeJSON(w, status, v) }

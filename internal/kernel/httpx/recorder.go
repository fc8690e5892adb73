package httpx

import (
	"io"
	"net/http"
	"time"
)

// recorder is the answer on its way out: it remembers the status for the log,
// leaves out the body of a HEAD, and gives up on clients that do not read.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	head   bool
	gzip   bool // the client takes compressed answers
	secret bool // the answer may hold secrets, see Route.SecretAnswer

	rc    *http.ResponseController
	r     *http.Request
	body  *pacedBody // nil: nobody reads the request's body
	stall time.Duration
	late  time.Time // the deadline of what is being written
}

func newRecorder(w http.ResponseWriter, r *http.Request, stall time.Duration) *recorder {
	rec := &recorder{
		ResponseWriter: w, rc: http.NewResponseController(w), r: r, stall: stall,
		head: r.Method == http.MethodHead, gzip: TakesGzip(r.Header),
	}
	// The last answer on this connection may have left its deadline.
	_ = rec.rc.SetWriteDeadline(time.Time{})
	return rec
}

// pace makes the request's body one that must not stand still.
func (w *recorder) pace() {
	if w.r.ContentLength != 0 && w.r.Body != nil {
		w.body = &pacedBody{ReadCloser: w.r.Body, rc: w.rc, stall: w.stall, left: w.stall}
		w.r.Body = w.body
	}
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		w.leaveBody()
	}
	w.hurry()
	w.ResponseWriter.WriteHeader(status)
}

// leaveBody is for what is left of the request's body when the answer begins.
// net/http reads some of it before it sends anything, for clients that read
// nothing until they have sent everything; that must end.
func (w *recorder) leaveBody() {
	switch {
	case w.r.ContentLength == 0 || w.body != nil && w.body.ended:
	case w.body != nil && (w.body.broken || !w.body.touched && w.r.Header.Get("Expect") != ""):
		w.Header().Set("Connection", "close") // no more of it will come
	default:
		_ = w.rc.SetReadDeadline(time.Now().Add(w.stall))
	}
}

// slowest is the largest piece of an answer that is waited for at a time.
const slowest = 256 << 10

// hurry gives the client time to take the next piece: four times the stall,
// or a little less where the last piece was just before.
func (w *recorder) hurry() {
	if late := time.Now().Add(4 * w.stall); late.Sub(w.late) > w.stall/8 {
		w.late = late
		_ = w.rc.SetWriteDeadline(late)
	}
}

func (w *recorder) Write(b []byte) (written int, err error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.bytes += int64(len(b))
	if w.head {
		return len(b), nil
	}
	for {
		piece := b[:min(len(b), slowest)]
		w.hurry()
		n, err := w.ResponseWriter.Write(piece)
		written += n
		if b = b[n:]; err != nil || len(b) == 0 {
			return written, err
		}
	}
}

// ReadFrom lets the kernel send files by itself, a piece at a time.
func (w *recorder) ReadFrom(r io.Reader) (sent int64, err error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.head {
		return io.Copy(io.Discard, r)
	}
	bounded, ok := r.(*io.LimitedReader) // the kernel takes one around a file, not two
	if !ok {
		bounded = &io.LimitedReader{R: r, N: 1<<63 - 1}
	}
	for bounded.N > 0 {
		piece := &io.LimitedReader{R: bounded.R, N: min(bounded.N, slowest)}
		w.hurry()
		n, err := io.Copy(w.ResponseWriter, piece)
		sent, bounded.N, w.bytes = sent+n, bounded.N-n, w.bytes+n
		if err != nil || piece.N > 0 {
			return sent, err
		}
	}
	return sent, nil
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

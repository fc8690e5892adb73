package httpx

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// counting is a listener whose connections count their writes.
type counting struct {
	net.Listener
	writes atomic.Int64
}

type counted struct {
	net.Conn
	writes *atomic.Int64
}

func (l *counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return counted{c, &l.writes}, err
}

func (c counted) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// An answer of any size arrives as it is; up to 48 KiB it takes one write.
func TestAnswersLeaveInOnePiece(t *testing.T) {
	t.Parallel()
	for _, secured := range []bool{false, true} {
		var body string
		g, err := NewGateway(Config{Services: []*Service{{
			Name: "x", Prefix: "/x", Routes: []Route{{
				Method: "GET", Path: "/it", Public: true, Handler: func(context.Context, *Request) (*Response, error) { return Text(200, body), nil },
			}},
		}}, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewUnstartedServer(g)
		l := &counting{Listener: s.Listener}
		s.Listener = &BoundedListener{Listener: l, Most: 100, MostPerAddress: 100}
		s.Config.ConnContext = ConnContext
		if secured {
			s.StartTLS()
		} else {
			s.Start()
		}
		defer s.Close()
		// Around the buffer of net/http, to the byte, and far from it.
		sizes := []int{0, 1, 100, 3000, smallestWhole, largestWhole, largestWhole + 1, 300_000}
		for n := 3700; n < 4200; n += 13 {
			sizes = append(sizes, n)
		}
		for i, n := range sizes {
			body = strings.Repeat("x", n)
			before := l.writes.Load()
			for _, method := range []string{"GET", "HEAD"} {
				req, _ := http.NewRequestWithContext(t.Context(), method, s.URL+"/x/it", nil)
				resp, err := s.Client().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if want := map[string]int{"GET": n}[method]; err != nil || len(got) != want || resp.ContentLength != int64(n) {
					t.Fatalf("%s of %d bytes: %d came, length %d, %v", method, n, len(got), resp.ContentLength, err)
				}
			}
			if writes := l.writes.Load() - before; i > 0 && n <= largestWhole && writes != 2 {
				t.Errorf("%d bytes (TLS %v): %d writes for GET and HEAD, want 2", n, secured, writes)
			}
		}
	}
}

func TestWhatIsHeldIsGivenBack(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	c := &boundedConn{Conn: near}
	got := make(chan []byte)
	go func() { b, _ := io.ReadAll(far); got <- b }()
	c.gather()
	for _, part := range []string{"a", "b", "c"} {
		if n, err := c.Write([]byte(part)); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := c.scatter(); err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write([]byte("d"))
	near.Close()
	if b := <-got; !bytes.Equal(b, []byte("abcd")) {
		t.Errorf("%q arrived", b)
	}
}

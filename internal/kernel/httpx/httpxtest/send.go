package httpxtest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
)

// send sends a request over the network, or hands it to the handler.
func (c Client) send(req *http.Request) Answer {
	c.t.Helper()
	if c.direct != nil {
		w := httptest.NewRecorder()
		if req.Body == nil {
			req.Body = http.NoBody // as a server's requests have it
		}
		c.direct.ServeHTTP(w, req)
		return Answer{Status: w.Code, Header: w.Header(), Raw: w.Body.Bytes()}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") { // it has no end
		return Answer{Status: resp.StatusCode, Header: resp.Header}
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Raw: raw}
}

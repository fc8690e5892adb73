package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

// The admin socket is how kumoi's own command line talks to a running kumoi:
// HTTP over a Unix socket in the data directory that only root may open, so
// that it works when nobody has a token, or identity is what is broken.

// adminServer serves the admin socket.
type adminServer struct {
	mux    *http.ServeMux
	server *http.Server
}

func newAdminServer() *adminServer {
	mux := http.NewServeMux()
	return &adminServer{mux: mux, server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}}
}

// handle adds one operation: its input is the request's JSON body.
func handle[In any](a *adminServer, pattern string, f func(ctx context.Context, r *http.Request, in In) (any, error)) {
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		ctx := actor.AsSystem(r.Context(), "admin")
		var in In
		if r.Body != nil && r.ContentLength != 0 {
			if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in); err != nil {
				httpx.WriteJSON(w, http.StatusBadRequest, adminError{Message: err.Error()})
				return
			}
		}
		out, err := f(ctx, r, in)
		if err != nil {
			// The operator is told everything: this is their machine.
			httpx.WriteJSON(w, http.StatusConflict, adminError{Kind: errs.KindOf(err).String(), Message: err.Error()})
			return
		}
		httpx.WriteJSON(w, http.StatusOK, out)
	})
}

type adminError struct{ Kind, Message string }

// nothing is the input or output of an operation that has none.
type nothing struct{}

func (a *adminServer) start(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(path) > 107 {
		return errs.New(errs.Invalid, "The data directory's path is too long for a Unix socket (%s): choose a shorter one.", path)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return err
	}
	go a.server.Serve(l) //nolint:errcheck // ends with Close
	return nil
}

func (a *adminServer) stop() { a.server.Close() }

// AdminClient asks the running kumoi of a data directory.
type AdminClient struct {
	http *http.Client
	dir  string
}

// NewAdminClient returns a client; nothing is dialled yet.
func NewAdminClient(cfg *Config) (*AdminClient, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return AdminClientOf(cfg.DataDir), nil
}

// AdminClientOf returns a client of whatever runs in a data directory.
func AdminClientOf(dir string) *AdminClient {
	path := (&Config{DataDir: dir}).AdminSocket()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &AdminClient{http: &http.Client{Transport: &http.Transport{DialContext: dial}}, dir: dir}
}

// Call asks one operation; in and out may be nil.
func (c *AdminClient) Call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://kumoi"+path, body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			return fmt.Errorf("the cloud in %s is another user's; run this as root", c.dir)
		}
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			return errs.New(errs.Unavailable, "kumoi does not run on %s; start it with: kumoi up --data-dir %s", c.dir, c.dir)
		}
		return errs.Wrap(errs.Unavailable, err, "kumoi on %s does not answer", c.dir)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var e adminError
		if err := json.NewDecoder(resp.Body).Decode(&e); err != nil {
			return fmt.Errorf("%s %s: %s", method, path, resp.Status)
		}
		return errors.New(e.Message)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// AskStatus asks the running kumoi how it is.
func AskStatus(ctx context.Context, cfg *Config) (*Status, error) {
	c, err := NewAdminClient(cfg)
	if err != nil {
		return nil, err
	}
	var st Status
	return &st, c.Call(ctx, http.MethodGet, "/status", nil, &st)
}

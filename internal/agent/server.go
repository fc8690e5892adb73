package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// server is what the agent has in memory about one server.
type server struct {
	id   string
	dir  string
	turn chan struct{} // holds one token; who takes it may work on the server

	// changed is woken by every event about the guest.
	changed chan struct{}
	sockets connector

	mu         sync.Mutex
	spec       *hostapi.ServerSpec // nil for a guest without one; not to be changed
	state      state
	loaded     state // as the previous agent left it
	report     hostapi.ServerReport
	news       bool                    // the report has something that a look at the guest does not show
	cancel     context.CancelCauseFunc // of the work under way
	generation int64                   // of the work under way
	removed    bool
	// returning: a reboot of the host has ended the guest, and it is to be started
	// again. Until that was tried, that it is off is no news: the control plane
	// would take it for the guest's own doing, and leave it off.
	returning bool
}

// state is what the agent must remember of a guest and the hypervisor does not
// know after a reboot.
type state struct {
	BootID   string        `json:"boot_id"` // of the host, when the guest was last seen
	Power    hostapi.Power `json:"power"`
	Password string        `json:"password,omitempty"` // encrypted, as posted by the guest
}

func (a *Agent) newServer(id string) *server {
	s := &server{
		id: id, dir: filepath.Join(a.cfg.DataDir, "servers", id),
		turn: make(chan struct{}, 1), changed: make(chan struct{}, 1),
		sockets: a.sockets,
	}
	s.report = hostapi.ServerReport{ServerID: id, Host: a.cfg.Host, Power: hostapi.PowerMissing}
	s.turn <- struct{}{}
	return s
}

// departure is a removal that the agent remembers for a while.
type departure struct {
	generation int64 // of the server that was removed
	at         time.Time
}

// overtaken is how long after a removal a message that it overtook may come.
const overtaken = 10 * time.Minute

// depart forgets a removed server, except for its generation.
func (a *Agent) depart(s *server, generation int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.servers[s.id] == s {
		delete(a.servers, s.id)
	}
	now := a.now()
	for id, d := range a.gone {
		if now.Sub(d.at) > overtaken {
			delete(a.gone, id)
		}
	}
	if generation > 0 {
		a.gone[s.id] = departure{generation, now}
	}
}

// server finds a server, or makes its place.
func (a *Agent) server(id string) (*server, error) { return a.admit(id, removal) }

// admit finds a server, or makes its place, unless it was removed in this
// generation or a newer one.
func (a *Agent) admit(id string, generation int64) (*server, error) {
	if _, err := uuid.Parse(id); err != nil || len(id) != 36 {
		return nil, errs.New(errs.Invalid, "%q is no server's id.", id)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.servers[id]
	if s == nil {
		if d, ok := a.gone[id]; ok && generation <= d.generation && a.now().Sub(d.at) <= overtaken {
			return nil, errSuperseded()
		}
		s = a.newServer(id)
		a.servers[id] = s
	}
	return s, nil
}

// known finds a server that has a spec.
func (a *Agent) known(id string) (*server, error) {
	a.mu.Lock()
	s := a.servers[id]
	a.mu.Unlock()
	if s == nil || s.current() == nil {
		return nil, errs.New(errs.NotFound, "Host %s has no server %s.", a.cfg.Host, id)
	}
	return s, nil
}

// all lists the servers in no order.
func (a *Agent) all() []*server {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]*server, 0, len(a.servers))
	for _, s := range a.servers {
		out = append(out, s)
	}
	return out
}

// errSuperseded ends work that newer news has made pointless.
func errSuperseded() error {
	return errs.New(errs.Conflict, "The server is wanted otherwise by now.")
}

// removal is a generation above all others.
const removal = int64(^uint64(0) >> 1)

// begin waits for the server's turn. Work for an older generation is ended.
// The returned function gives the turn back.
func (s *server) begin(ctx context.Context, generation int64) (context.Context, func(), error) {
	s.mu.Lock()
	if s.cancel != nil && s.generation < generation {
		s.cancel(errSuperseded())
	}
	s.mu.Unlock()
	select {
	case <-s.turn:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	s.mu.Lock()
	s.cancel, s.generation = cancel, generation
	s.mu.Unlock()
	return ctx, func() {
		s.mu.Lock()
		s.cancel = nil
		s.mu.Unlock()
		cancel(nil)
		s.turn <- struct{}{}
	}, nil
}

// interrupt ends the work under way.
func (s *server) interrupt(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel(cause)
	}
}

func (s *server) current() *hostapi.ServerSpec {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spec
}

// busy tells whether work on the server is under way.
func (s *server) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cancel != nil
}

func (s *server) setRemoved(removed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed = removed
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

// wake tells whoever waits for the guest to look again.
func (s *server) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// saveSpec writes the spec down before anything is done about it.
func (s *server) saveSpec(spec *hostapi.ServerSpec) error {
	if err := os.MkdirAll(s.dir, 0o711); err != nil {
		return fmt.Errorf("save spec: %w", err)
	}
	if err := saveJSON(s.path("spec.json"), spec, true); err != nil {
		return fmt.Errorf("save spec: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spec = spec
	return nil
}

// remember keeps what was last seen of the guest.
func (s *server) remember(change func(*state)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.state
	change(&next)
	if next == s.state || s.removed || s.spec == nil {
		return nil
	}
	if err := saveJSON(s.path("state.json"), next, false); err != nil {
		return fmt.Errorf("save state of server %s: %w", s.id, err)
	}
	s.state = next
	return nil
}

// load reads all servers' files.
func (a *Agent) load() error {
	entries, err := os.ReadDir(filepath.Join(a.cfg.DataDir, "servers"))
	if err != nil {
		return fmt.Errorf("load servers: %w", err)
	}
	for _, e := range entries {
		s, err := a.server(e.Name())
		if err != nil {
			continue // not ours
		}
		spec, err := s.loadSpec()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			_ = os.Remove(s.dir) // an empty one: a removal that did not end
			continue
		case err != nil:
			a.log.Error("spec of a server cannot be read", "server", s.id, "error", err)
			continue
		}
		s.spec = spec
		s.tidy()
		a.networks.expect(spec)
		if err := loadJSON(s.path("state.json"), &s.state); err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.log.Warn("state of a server cannot be read", "server", s.id, "error", err)
		}
		s.loaded = s.state
		s.returning = a.endedByReboot(spec, s.loaded)
		s.report.Generation, s.report.Power = spec.Generation, hostapi.PowerStopped
	}
	return nil
}

// loadSpec reads what was saved; earlier agents saved local disks as sizes.
func (s *server) loadSpec() (*hostapi.ServerSpec, error) {
	saved := struct {
		*hostapi.ServerSpec
		Ephemeral []int `json:"ephemeral_gib"`
		SwapMiB   int   `json:"swap_mib"`
	}{ServerSpec: &hostapi.ServerSpec{}}
	if err := loadJSON(s.path("spec.json"), &saved); err != nil {
		return nil, err
	}
	spec := saved.ServerSpec
	for _, gib := range saved.Ephemeral {
		spec.Ephemeral = append(spec.Ephemeral, hostapi.LocalDisk{SizeMiB: gib << 10})
	}
	if saved.SwapMiB > 0 {
		spec.Swap = &hostapi.LocalDisk{SizeMiB: saved.SwapMiB}
	}
	return spec, nil
}

// tidy removes files that an earlier agent did not complete.
func (s *server) tidy() {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if n := e.Name(); strings.HasPrefix(n, ".") || strings.HasPrefix(n, "snapshot-") || strings.HasSuffix(n, ".new") {
			_ = os.Remove(s.path(n)) // the next agent tries again
		}
	}
}

// saveJSON replaces a file as a whole; durable ones survive a power cut.
func saveJSON(path string, v any, durable bool) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && durable {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func loadJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// passwords keeps for the metadata service what guests post.
type passwords struct{ a *Agent }

func (p passwords) Password(serverID string) string {
	s, err := p.a.known(serverID)
	if err != nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Password
}

func (p passwords) SetPassword(ctx context.Context, serverID, password string) error {
	s, err := p.a.known(serverID)
	if err != nil {
		return err
	}
	taken := false
	if err := s.remember(func(st *state) {
		if taken = st.Password != ""; !taken {
			st.Password = password
		}
	}); err != nil {
		return err
	}
	if taken {
		return errs.New(errs.Conflict, "The password is set already.")
	}
	p.a.observe(ctx, s)
	return nil
}

// steps measures the parts of an ensure.
type steps struct {
	mu   sync.Mutex
	now  func() time.Time
	list []hostapi.StepTime
}

// do runs one part, unless the work is no longer wanted.
func (st *steps) do(ctx context.Context, name string, f func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	begin := st.now()
	err := f()
	took := st.now().Sub(begin)
	st.mu.Lock()
	st.list = append(st.list, hostapi.StepTime{Name: name, Took: took})
	st.mu.Unlock()
	return err
}

package metadata

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"kumoi/internal/agent/layout"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/logx"
)

// maxConnections of one network's guests at a time.
const maxConnections = 256

// Service answers guests.
type Service struct {
	log    *slog.Logger
	server *http.Server
	// password keeps what a guest posts as its encrypted password and gives
	// what it posted before.
	passwords Passwords

	mu      sync.RWMutex
	guests  map[place]Guest
	places  map[string][]place // by server
	serving sync.WaitGroup
}

// place is what tells one guest from all others.
type place struct {
	network string
	addr    netip.Addr
}

// Passwords keeps the encrypted password that a guest tells its owner.
type Passwords interface {
	Password(serverID string) string
	// SetPassword fails if the server has one.
	SetPassword(ctx context.Context, serverID, password string) error
}

// New makes a service that knows nobody yet.
func New(passwords Passwords, log *slog.Logger) *Service {
	s := &Service{
		log:       logx.Or(log).With("component", "metadata"),
		passwords: passwords,
		guests:    map[place]Guest{},
		places:    map[string][]place{},
	}
	s.server = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if c, ok := c.(*conn); ok {
				return context.WithValue(ctx, networkKey{}, c.network)
			}
			return ctx
		},
	}
	return s
}

// Guest is what a guest may be told: what it should be, and which disks it has.
type Guest struct {
	*hostapi.ServerSpec
	Disks []layout.Disk
}

// Set makes the server known, or known anew. The guest must not change any more.
func (s *Service) Set(spec Guest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(spec.ID)
	for _, nic := range spec.NICs {
		for _, addr := range addresses(nic) {
			p := place{nic.NetworkID, addr}
			s.guests[p] = spec
			s.places[spec.ID] = append(s.places[spec.ID], p)
		}
	}
}

// Forget makes the server unknown.
func (s *Service) Forget(serverID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(serverID)
}

func (s *Service) forget(serverID string) {
	for _, p := range s.places[serverID] {
		if g, ok := s.guests[p]; ok && g.ID == serverID {
			delete(s.guests, p)
		}
	}
	delete(s.places, serverID)
}

// Lookup finds the server at an address of a network.
func (s *Service) Lookup(networkID string, addr netip.Addr) (Guest, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	spec, ok := s.guests[place{networkID, addr.Unmap().WithZone("")}]
	return spec, ok
}

// Serve answers the network's guests on the listener until it is closed.
func (s *Service) Serve(networkID string, l net.Listener) {
	s.serving.Go(func() {
		err := s.server.Serve(listener{netutil.LimitListener(l, maxConnections), networkID})
		if err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			s.log.Error("metadata listener failed", "network", networkID, "error", err)
		}
	})
}

// Close closes all listeners and connections.
func (s *Service) Close() error {
	err := s.server.Close()
	s.serving.Wait()
	return err
}

type networkKey struct{}

// listener marks its connections with the network that they came from.
type listener struct {
	net.Listener
	network string
}

type conn struct {
	net.Conn
	network string
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{c, l.network}, nil
}

// addresses are those a NIC may ask from: its own, and the one that IPv6
// derives from its MAC.
func addresses(nic hostapi.NIC) []netip.Addr {
	var out []netip.Addr
	for _, a := range nic.FixedIPs {
		out = append(out, a.Unmap())
	}
	mac, err := net.ParseMAC(nic.MAC)
	if err != nil || len(mac) != 6 {
		return out
	}
	a := [16]byte{0: 0xfe, 1: 0x80, 8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]}
	return append(out, netip.AddrFrom16(a))
}

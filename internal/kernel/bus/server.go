package bus

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/logx"
)

// controlInbox is where answers to the control plane arrive. No host's inbox
// can have this prefix.
const controlInbox = "_CONTROL"

// ServerConfig says how the bus is served.
type ServerConfig struct {
	// Listen is the address for hosts, such as "0.0.0.0:4222"; empty serves
	// this process only. Port 0 takes a free one. Beyond loopback the bus
	// speaks TLS only, with a certificate authority of its own.
	Listen string
	// Advertise is the address that goes into hosts' credentials; by default
	// Listen's, or this machine's name if Listen takes every address.
	Advertise string
	// DataDir keeps the hosts' public keys and the certificate authority.
	DataDir string
	Log     *slog.Logger
}

// Server is the embedded bus.
type Server struct {
	cfg     ServerConfig
	log     *slog.Logger
	nats    *server.Server
	hosts   *hosts
	control nkeys.KeyPair // the control plane's own, new in each process
	ca      *authority    // nil without TLS
}

// StartServer starts the bus and waits until it takes connections.
func StartServer(ctx context.Context, cfg ServerConfig) (*Server, error) {
	s := &Server{cfg: cfg, log: logx.Or(cfg.Log).With("component", "bus")}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	var err error
	if s.control, err = nkeys.CreateUser(); err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	controlKey, err := s.control.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	if s.hosts, err = openHosts(filepath.Join(cfg.DataDir, "hosts.json"), controlKey); err != nil {
		return nil, err
	}
	options, err := s.options()
	if err != nil {
		return nil, err
	}
	if s.nats, err = server.NewServer(options); err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	s.nats.SetLoggerV2(natsLog{s.log}, false, false, false)
	s.nats.Start()
	for !s.nats.ReadyForConnections(100 * time.Millisecond) {
		if ctx.Err() != nil || !s.nats.Running() {
			s.Stop()
			return nil, errs.New(errs.Unavailable, "The bus cannot listen on %q.", cfg.Listen)
		}
	}
	return s, nil
}

func (s *Server) options() (*server.Options, error) {
	o := &server.Options{
		ServerName: "kumoi", DontListen: true, NoSigs: true,
		MaxPayload: MaxPayload, MaxPending: 64 << 20, WriteDeadline: 10 * time.Second,
		PingInterval: 10 * time.Second, MaxPingsOut: 2, AuthTimeout: 10,
		CustomClientAuthentication: s.hosts, AlwaysEnableNonce: true,
		DisableShortFirstPing: true,
	}
	if s.cfg.Listen == "" {
		return o, nil
	}
	host, portText, err := net.SplitHostPort(s.cfg.Listen)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "Bus address %q: want host:port.", s.cfg.Listen)
	}
	port, err := strconv.Atoi(portText)
	if err != nil || port < 0 || port > 65535 {
		return nil, errs.New(errs.Invalid, "Bus address %q: %q is no port.", s.cfg.Listen, portText)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	o.DontListen, o.Host, o.Port = false, host, port
	if loopback(host) && (s.cfg.Advertise == "" || loopback(hostOf(s.cfg.Advertise))) {
		return o, nil
	}
	if s.ca, err = openAuthority(s.cfg.DataDir); err != nil {
		return nil, err
	}
	if o.TLSConfig, err = s.ca.serverConfig(); err != nil {
		return nil, err
	}
	o.TLS, o.TLSTimeout = true, 10
	return o, nil
}

// hostOf is an address without its port, if it has one.
func hostOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Connect connects this process as the control plane, without a socket.
func (s *Server) Connect() (Conn, error) {
	key, err := s.control.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("connect to the bus: %w", err)
	}
	nc, err := nats.Connect("", nats.InProcessServer(s.nats),
		nats.Name("control"), nats.Nkey(key, s.control.Sign), nats.CustomInboxPrefix(controlInbox),
		nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.ReconnectBufSize(-1),
		nats.ErrorHandler(reportAsync(s.log)))
	if err != nil {
		return nil, fmt.Errorf("connect to the bus: %w", err)
	}
	return newConn(nc, s.log, false)
}

// URL is where hosts connect; empty if the server does not listen.
func (s *Server) URL() string {
	if s.cfg.Listen == "" {
		return ""
	}
	scheme := "nats"
	if s.ca != nil {
		scheme = "tls"
	}
	addr := s.cfg.Advertise
	if addr == "" {
		host, _, _ := net.SplitHostPort(s.cfg.Listen)
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
			if name, err := os.Hostname(); err == nil {
				host = name
			}
		}
		addr = host
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(addr, strconv.Itoa(s.port()))
	}
	return scheme + "://" + addr
}

func (s *Server) port() int {
	if a, ok := s.nats.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// IssueHost makes the credentials with which a host's agent dials in. Earlier
// ones of the same host are refused from now on.
func (s *Server) IssueHost(name string) ([]byte, error) {
	if err := checkHost(name); err != nil {
		return nil, err
	}
	key, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("issue credentials: %w", err)
	}
	public, err := key.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("issue credentials: %w", err)
	}
	seed, err := key.Seed()
	if err != nil {
		return nil, fmt.Errorf("issue credentials: %w", err)
	}
	c := credentials{Host: name, URL: s.URL(), Seed: string(seed)}
	if s.ca != nil {
		c.CA = string(s.ca.pem)
	}
	old, err := s.hosts.set(name, public)
	if err != nil {
		return nil, err
	}
	s.kick(old)
	return c.marshal()
}

// RemoveHost refuses the host from now on and ends its connections.
func (s *Server) RemoveHost(name string) error {
	old, err := s.hosts.remove(name)
	if err != nil {
		return err
	}
	s.kick(old)
	return nil
}

// Hosts lists the names of all hosts with credentials, sorted.
func (s *Server) Hosts() []string { return s.hosts.names() }

// kick ends the connections that were made with a key.
func (s *Server) kick(key string) {
	if key == "" {
		return
	}
	clients, err := s.nats.Connz(&server.ConnzOptions{Username: true, User: key, Limit: 1 << 20})
	if err != nil {
		s.log.Error("connections of a removed host", "error", err)
		return
	}
	for _, c := range clients.Conns {
		// A client that is gone by itself is as good.
		_ = s.nats.DisconnectClientByID(c.Cid)
	}
}

// Stop ends all connections and waits for the server to be down.
func (s *Server) Stop() {
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
}

// natsLog passes the embedded server's messages on. Its notices are chatter
// to an operator of Kumoi; clients that come and go are logged by their side.
type natsLog struct{ log *slog.Logger }

func (l natsLog) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l natsLog) Warnf(format string, v ...any)   { l.log.Warn(fmt.Sprintf(format, v...)) }
func (l natsLog) Errorf(format string, v ...any)  { l.log.Warn(fmt.Sprintf(format, v...)) }
func (l natsLog) Fatalf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) }
func (l natsLog) Debugf(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l natsLog) Tracef(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }

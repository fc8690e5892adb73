package compute

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Console is the right to one console of one server, for a while. Whoever has
// the token has the right; the database knows only what proves it.
type Console struct {
	TokenHash string
	ServerID  string
	Kind      hostapi.ConsoleKind
	ExpiresAt time.Time
}

// ConsoleAccess is what the owner of a new token is told.
type ConsoleAccess struct {
	Token  string
	Kind   hostapi.ConsoleKind
	Server *Server
}

// ConsolePath is where consoles are reached, below the cloud's address.
const ConsolePath = "/console"

// URL is the address to give out. base is the cloud's own, as the client
// reached it. A screen's address is a page that opens the websocket at its
// parameter "path", as noVNC's does; a serial line's is the websocket itself.
func (c *ConsoleAccess) URL(base string) string {
	socket := ConsolePath + "/" + string(c.Kind) + "/socket?token=" + c.Token
	if c.Kind == hostapi.ConsoleSerial {
		return "ws" + strings.TrimPrefix(base, "http") + socket // http → ws, https → wss
	}
	path := ""
	if u, err := url.Parse(base); err == nil {
		path = u.Path
	}
	q := url.Values{"path": {strings.TrimPrefix(path+socket, "/")}, "title": {c.Server.Name}}
	return base + ConsolePath + "/" + string(c.Kind) + "?" + q.Encode()
}

// consoleTypes are Nova's names for the consoles that this cloud has.
var consoleTypes = map[string]hostapi.ConsoleKind{"vnc/novnc": hostapi.ConsoleScreen, "serial/serial": hostapi.ConsoleSerial}

// Create gives the actor a token for a console of the server. Conflict:
// the server has no guest yet, or no more; Invalid: this cloud has no consoles
// of the type.
func (s *Consoles) Create(ctx context.Context, id, protocol, kind string) (*ConsoleAccess, error) {
	var out *ConsoleAccess
	err := s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, "os-remote-consoles")
		if err != nil {
			return err
		}
		if srv.Host == "" || srv.VMState == VMBuilding || srv.DeleteRequested {
			return errs.New(errs.Conflict, "Instance %s is not ready", id)
		}
		k, ok := consoleTypes[protocol+"/"+kind]
		if !ok || k == hostapi.ConsoleScreen && !hasScreen(srv) {
			return errs.New(errs.Invalid, "Unavailable console type %s.", kind)
		}
		now := s.now().UTC()
		if _, err := s.consoles.DeleteWhere(ctx, tx, store.Cond{Field: "expires_at", Op: store.LessEqual, Value: now}); err != nil {
			return err
		}
		random := make([]byte, 32)
		_, _ = rand.Read(random) // never fails
		out = &ConsoleAccess{Token: hex.EncodeToString(random), Kind: k, Server: srv}
		return s.consoles.Insert(ctx, tx, &Console{
			TokenHash: hashConsoleToken(out.Token), ServerID: srv.ID, Kind: k, ExpiresAt: now.Add(s.cfg.ConsoleTTL),
		})
	})
	return out, err
}

// hashConsoleToken needs no salt and no slowness: tokens are 256 random bits.
func hashConsoleToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// hasScreen tells whether the server's guest is started with one: unless its
// image or flavor wants none.
func hasScreen(srv *Server) bool { return hints(srv)["hw_video_model"] != "none" }

// of finds what a token opens now. Every token that does not open anything,
// for whatever reason, costs the same one look and gives the same NotFound.
func (s *Consoles) of(ctx context.Context, token string) (c Console, err error) {
	err = s.read(ctx, func(tx *store.Tx) error {
		found, err := s.consoles.Get(ctx, tx, hashConsoleToken(token))
		if err == nil {
			c = *found
		}
		return notFound(err, "Token not found")
	})
	if err == nil && !s.now().Before(c.ExpiresAt) {
		err = errs.New(errs.NotFound, "Token not found")
	}
	return c, err
}

// Show tells administrators where a token leads.
func (s *Consoles) Show(ctx context.Context, token string) (*Server, error) {
	if err := s.checkOwn(ctx, "os-console-auth-tokens"); err != nil {
		return nil, err
	}
	c, err := s.of(ctx, token)
	if err != nil {
		return nil, err
	}
	var srv *Server
	err = s.read(ctx, func(tx *store.Tx) (err error) {
		srv, err = s.servers.Get(ctx, tx, c.ServerID)
		return notFound(err, "Token not found")
	})
	return srv, err
}

// Find proves a token for a kind of console: NotFound, if it is none.
func (s *Consoles) Find(ctx context.Context, token string, kind hostapi.ConsoleKind) (Console, error) {
	c, err := s.of(ctx, token)
	if err == nil && c.Kind != kind {
		return Console{}, errs.New(errs.NotFound, "Token not found")
	}
	return c, err
}

// ConsoleSession is an open console. It has one reader and one writer; after an
// error it is to be closed.
type ConsoleSession struct {
	hosts   hostapi.Client
	host    string
	session hostapi.ConsoleSession
}

// Open connects to the console that Find has found. Conflict: the
// guest cannot be talked to, and the message says why.
func (s *Consoles) Open(ctx context.Context, c Console) (*ConsoleSession, error) {
	ctx = actor.AsSystem(ctx, "console")
	var srv *Server
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		srv, err = s.servers.Get(ctx, tx, c.ServerID)
		return notFound(err, "Instance %s could not be found.", c.ServerID)
	})
	if err != nil {
		return nil, err
	}
	if srv.Host == "" || srv.Deleted {
		return nil, errs.New(errs.Conflict, "Instance %s is not ready", c.ServerID)
	}
	session, err := s.hosts.OpenConsole(ctx, srv.Host, c.ServerID, c.Kind)
	if err != nil {
		return nil, err
	}
	return &ConsoleSession{hosts: s.hosts, host: srv.Host, session: *session}, nil
}

// Read waits for bytes of the guest. It may return none after a while.
func (c *ConsoleSession) Read(ctx context.Context) ([]byte, error) {
	return c.hosts.ReadConsole(ctx, c.host, c.session)
}

// Write sends bytes to the guest and returns when it has taken them.
func (c *ConsoleSession) Write(ctx context.Context, data []byte) error {
	return c.hosts.WriteConsole(ctx, c.host, hostapi.ConsoleInput{Session: c.session, Data: data})
}

// Close ends the session. The host would, after a while.
func (c *ConsoleSession) Close(ctx context.Context) error {
	return c.hosts.CloseConsole(ctx, c.host, c.session)
}

// Output reads the end of a server's console; lines 0 is all that is kept.
func (s *Consoles) Output(ctx context.Context, id string, lines int) (string, error) {
	srv, err := s.Servers.Show(ctx, id, "os-console-output")
	if err != nil {
		return "", err
	}
	if srv.Host == "" || srv.VMState == VMBuilding {
		return "", errs.New(errs.Conflict, "Instance %s is not ready", id)
	}
	text, err := s.hosts.ConsoleLog(ctx, srv.Host, id, lines)
	if errs.Is(err, errs.NotFound) {
		return "", errs.New(errs.NotFound, "Unable to get console log of server %s: its host has none.", id)
	}
	if errs.Is(err, errs.Unavailable) {
		return "", errs.New(errs.Conflict, "Unable to get console log of server %s: its host does not answer.", id)
	}
	return text, err
}

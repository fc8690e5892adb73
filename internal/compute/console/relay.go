package console

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"kumoi/internal/compute"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// What a browser may take and say.
const (
	maxFrame   = hostapi.MaxConsoleChunk // bytes of one message from the browser
	sendWithin = 30 * time.Second        // for one message to the browser
	pingEvery  = 30 * time.Second
	pongWithin = 15 * time.Second
	maxIdle    = time.Hour // without a byte either way
)

// serve makes the request a websocket and carries the console's bytes until
// one side ends it.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, c compute.Console) {
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	default:
		http.Error(w, "Too many consoles are open; try again later.", http.StatusServiceUnavailable)
		return
	}
	if !s.enter() {
		http.Error(w, "This kumoi is stopping.", http.StatusServiceUnavailable)
		return
	}
	defer s.wg.Done()
	// Accept compares Origin with the host that was asked: a page of another
	// site can open nothing, even if it has got hold of a token.
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{"binary"}, OriginPatterns: s.origins, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return // it has answered
	}
	defer ws.CloseNow() //nolint:errcheck // closed already, as a rule
	ws.SetReadLimit(maxFrame)

	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	session, err := s.consoles.Open(ctx, c)
	if err != nil {
		s.log.InfoContext(ctx, "console not opened", "server", c.ServerID, "kind", c.Kind, "remote", r.RemoteAddr, "error", err)
		_ = ws.Close(websocket.StatusTryAgainLater, reason(err))
		return
	}
	s.log.InfoContext(ctx, "console opened", "server", c.ServerID, "kind", c.Kind, "remote", r.RemoteAddr)
	why := relay(ctx, ws, session)
	s.log.InfoContext(ctx, "console closed", "server", c.ServerID, "kind", c.Kind, "remote", r.RemoteAddr, "reason", why)
	done, forget := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer forget()
	_ = session.Close(done) // or the host does, in a minute
}

func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wg.Add(1)
	return true
}

// relay carries bytes both ways until one of them ends, and says why it did.
// Each way takes the next bytes when the last ones have arrived, so whoever is
// slow slows the other side down and nothing piles up here.
func relay(serving context.Context, ws *websocket.Conn, session *compute.ConsoleSession) (why string) {
	type end struct {
		code websocket.StatusCode
		why  string
	}
	ends := make(chan end, 3)
	var last atomic.Int64 // when something was said
	last.Store(time.Now().UnixNano())
	ctx, cancel := context.WithCancel(serving)
	defer cancel()
	var ways sync.WaitGroup
	ways.Go(func() { // guest → browser
		for {
			data, err := session.Read(ctx)
			if err != nil {
				ends <- end{websocket.StatusNormalClosure, reason(err)}
				return
			}
			if len(data) == 0 {
				continue
			}
			last.Store(time.Now().UnixNano())
			if err := send(ctx, ws, data); err != nil {
				ends <- end{websocket.StatusGoingAway, "The browser is gone."}
				return
			}
		}
	})
	ways.Go(func() { // browser → guest; a read that is cut off would take the farewell with it
		for {
			_, data, err := ws.Read(context.WithoutCancel(ctx))
			if err != nil {
				ends <- end{websocket.StatusNormalClosure, "The browser has closed the console."}
				return
			}
			last.Store(time.Now().UnixNano())
			if err := session.Write(ctx, data); err != nil {
				ends <- end{websocket.StatusNormalClosure, reason(err)}
				return
			}
		}
	})
	ways.Go(func() { // browsers that vanish say nothing
		tick := time.NewTicker(pingEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if time.Since(time.Unix(0, last.Load())) > maxIdle {
				ends <- end{websocket.StatusPolicyViolation, "Nothing was said for an hour."}
				return
			}
			if err := ping(ctx, ws); err != nil {
				ends <- end{websocket.StatusGoingAway, "The browser does not answer."}
				return
			}
		}
	})
	var e end
	select {
	case e = <-ends:
	case <-ctx.Done():
		e = end{websocket.StatusGoingAway, "This kumoi is stopping."}
	}
	cancel()
	if serving.Err() == nil { // else nobody waits for a farewell
		_ = ws.Close(e.code, e.why)
	}
	_ = ws.CloseNow()
	ways.Wait()
	return e.why
}

func send(ctx context.Context, ws *websocket.Conn, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	return ws.Write(ctx, websocket.MessageBinary, data)
}

func ping(ctx context.Context, ws *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, pongWithin)
	defer cancel()
	return ws.Ping(ctx)
}

// reason is an error in the words of a close frame, which has room for 123 bytes.
func reason(err error) string {
	text := errs.As(err).Msg
	if errs.Is(err, errs.Internal) {
		text = "The console could not be reached."
	}
	return strings.ToValidUTF8(text[:min(len(text), 120)], "")
}

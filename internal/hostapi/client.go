package hostapi

import (
	"context"
	"time"

	"kumoi/internal/kernel/bus"
)

// Subjects. An agent named NAME serves HostSubject(NAME, verb), publishes
// ReportSubject(NAME, kind) and asks the control plane on ControlSubject(NAME, verb).
// Its credentials allow exactly these.
const (
	VerbEnsure       = "ensure"        // ServerSpec → ServerReport
	VerbRemove       = "remove"        // ServerRef → ServerReport (missing)
	VerbConsoleLog   = "console-log"   // ConsoleLogRequest → ConsoleLog
	VerbConsoleOpen  = "console-open"  // ConsoleOpen → ConsoleSession
	VerbConsoleRead  = "console-read"  // ConsoleSession → raw bytes, none if nothing came within ConsolePoll
	VerbConsoleWrite = "console-write" // ConsoleInput → nothing
	VerbConsoleClose = "console-close" // ConsoleSession → nothing
	VerbSnapshot     = "snapshot"      // SnapshotRequest → nothing, after the last WriteImage
	VerbDiagnostics  = "diagnostics"   // ServerRef → Diagnostics
	VerbPrefetch     = "prefetch"      // RootDisk → nothing, when the image is in the host's cache
	VerbImages       = "images"        // nothing → ImageCache
	VerbReport       = "report"        // nothing → HostReport, now

	ReportHost    = "host"    // HostReport, every HeartbeatEvery
	ReportServer  = "server"  // ServerReport, whenever a guest changes by itself
	ReportVolumes = "volumes" // VolumeReport, every HeartbeatEvery

	ControlReadImage  = "image-read"  // ImageChunk → raw bytes
	ControlWriteImage = "image-write" // ImageWrite → nothing
	ControlSpecs      = "specs"       // nothing → []ServerSpec of all servers of this host, at agent start
)

// HeartbeatEvery is how often an agent reports; DownAfter is when a silent host counts as down.
const (
	HeartbeatEvery = 5 * time.Second
	DownAfter      = 30 * time.Second
)

// HostSubject is where the agent of a host listens for a verb.
func HostSubject(host, verb string) string { return bus.HostSubject(host, verb) }

// ReportSubject is where the agent of a host publishes.
func ReportSubject(host, kind string) string { return bus.ReportSubject(host, kind) }

// ControlSubject is where the control plane answers the agent of a host.
func ControlSubject(host, verb string) string { return bus.ControlSubject(host, verb) }

// Requester is the part of the bus that the client needs.
type Requester interface {
	Request(ctx context.Context, subject string, in, out any) error
}

// Client asks agents, by host name. Errors are typed (kernel/errs): NoCapacity
// and Invalid mean another host may do better or none will; Unavailable means
// the host does not answer and the call may be repeated.
type Client struct{ Bus Requester }

// EnsureServer makes the server on the host like spec and returns when it is.
func (c Client) EnsureServer(ctx context.Context, host string, spec *ServerSpec) (*ServerReport, error) {
	return ask[ServerReport](ctx, c, host, VerbEnsure, spec)
}

// RemoveServer removes every trace of the server, as it was wanted in this
// generation, from the host.
func (c Client) RemoveServer(ctx context.Context, host, serverID string, generation int64) error {
	_, err := ask[ServerReport](ctx, c, host, VerbRemove, ServerRef{ServerID: serverID, Generation: generation})
	return err
}

// ConsoleLog reads the end of the server's console.
func (c Client) ConsoleLog(ctx context.Context, host, serverID string, lines int) (string, error) {
	log, err := ask[ConsoleLog](ctx, c, host, VerbConsoleLog, ConsoleLogRequest{serverID, lines})
	if err != nil {
		return "", err
	}
	return log.Text, nil
}

// OpenConsole begins a session on one of the server's consoles. Conflict: the
// guest does not run, has no such console, or has too many sessions.
func (c Client) OpenConsole(ctx context.Context, host, serverID string, kind ConsoleKind) (*ConsoleSession, error) {
	return ask[ConsoleSession](ctx, c, host, VerbConsoleOpen, ConsoleOpen{serverID, kind})
}

// ReadConsole waits for bytes of the console, ConsolePoll at most: none is no
// error. Gone: the session has ended. After any error the session is to be
// given up, for bytes may have been lost.
func (c Client) ReadConsole(ctx context.Context, host string, s ConsoleSession) ([]byte, error) {
	var data []byte
	err := c.Bus.Request(ctx, HostSubject(host, VerbConsoleRead), s, &data)
	return data, err
}

// WriteConsole sends bytes to the console and returns when it has taken them.
func (c Client) WriteConsole(ctx context.Context, host string, in ConsoleInput) error {
	return c.Bus.Request(ctx, HostSubject(host, VerbConsoleWrite), in, nil)
}

// CloseConsole ends a session. It is no error if it has ended.
func (c Client) CloseConsole(ctx context.Context, host string, s ConsoleSession) error {
	return c.Bus.Request(ctx, HostSubject(host, VerbConsoleClose), s, nil)
}

// Snapshot has the host copy the server's root disk into the image.
func (c Client) Snapshot(ctx context.Context, host string, r SnapshotRequest) error {
	return c.Bus.Request(ctx, HostSubject(host, VerbSnapshot), r, nil)
}

// Diagnostics measures a running guest.
func (c Client) Diagnostics(ctx context.Context, host, serverID string) (*Diagnostics, error) {
	return ask[Diagnostics](ctx, c, host, VerbDiagnostics, ServerRef{ServerID: serverID})
}

// Prefetch brings an image into the host's cache.
func (c Client) Prefetch(ctx context.Context, host string, disk RootDisk) error {
	return c.Bus.Request(ctx, HostSubject(host, VerbPrefetch), disk, nil)
}

// Images lists the host's cache of images.
func (c Client) Images(ctx context.Context, host string) (*ImageCache, error) {
	return ask[ImageCache](ctx, c, host, VerbImages, struct{}{})
}

// Report asks for a heartbeat now.
func (c Client) Report(ctx context.Context, host string) (*HostReport, error) {
	return ask[HostReport](ctx, c, host, VerbReport, struct{}{})
}

func ask[T any](ctx context.Context, c Client, host, verb string, in any) (*T, error) {
	var out T
	if err := c.Bus.Request(ctx, HostSubject(host, verb), in, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

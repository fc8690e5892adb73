package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/agent/imagecache"
	"kumoi/internal/agent/metadata"
	"kumoi/internal/agent/vif"
	"kumoi/internal/agent/volume"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/logx"
)

// Config says which host this is.
type Config struct {
	Host           string // its name in the cloud
	DataDir        string
	Address        string // where other hosts reach it
	ChassisID      string // its name in OVN
	BridgeMappings map[string]string
	Version        string // of kumoi
	CacheLimit     int64  // bytes of unused images to keep; 0 keeps all
	// Backends are where volumes lie besides the backend "file", and what is to be
	// said of that one.
	Backends []volume.Setting
	// Heartbeat is how often the host reports; default hostapi.HeartbeatEvery.
	Heartbeat time.Duration
	// ConsoleIdle is when a console that nobody asks about is given up; default
	// hostapi.ConsoleIdle.
	ConsoleIdle time.Duration
	// QEMUUser and QEMUGroup are who guests run as; they open volumes' sockets.
	QEMUUser, QEMUGroup int
}

// Deps are what the agent works with.
type Deps struct {
	Bus        bus.Conn
	Hypervisor hypervisor.Hypervisor
	VIF        vif.Plugger
	// Volumes are pretended backends by name, for guests that are pretended too;
	// nil: the host keeps volumes in files of its own.
	Volumes map[string]hostapi.VolumeHost
	Log     *slog.Logger
	Now     func() time.Time // default time.Now
}

// Agent is a host's agent.
type Agent struct {
	cfg      Config
	bus      bus.Conn
	control  hostapi.Control
	hv       hypervisor.Hypervisor
	vif      vif.Plugger
	log      *slog.Logger
	now      func() time.Time
	images   *imagecache.Cache
	metadata *metadata.Service
	networks *networks
	sequence *sequence
	consoles *consoles
	volumes  volumes
	backends []*volume.Backend // of volumes; none for pretended ones
	sockets  connector
	bootID   string
	started  time.Time

	mu      sync.Mutex
	servers map[string]*server
	gone    map[string]departure
	info    hypervisor.Info
	infoAt  time.Time

	cancel  context.CancelFunc
	running sync.WaitGroup
	subs    []bus.Subscription
}

// New prepares an agent. Start brings it to life.
func New(cfg Config, deps Deps) (*Agent, error) {
	if cfg.Host == "" || !filepath.IsAbs(cfg.DataDir) {
		return nil, errs.New(errs.Invalid, "An agent needs a host name and an absolute data directory.")
	}
	if cfg.Heartbeat <= 0 {
		cfg.Heartbeat = hostapi.HeartbeatEvery
	}
	a := &Agent{
		cfg: cfg, bus: deps.Bus, control: hostapi.Control{Bus: deps.Bus, Host: cfg.Host}, hv: deps.Hypervisor, vif: deps.VIF,
		log: logx.Or(deps.Log).With("component", "agent"), now: deps.Now,
		servers: map[string]*server{}, gone: map[string]departure{}, consoles: newConsoles(cfg.ConsoleIdle),
	}
	if a.now == nil {
		a.now = time.Now
	}
	// Guests may run as a user of their own, who must pass through to the disks.
	for _, dir := range []string{cfg.DataDir, filepath.Join(cfg.DataDir, "servers")} {
		if err := errors.Join(os.MkdirAll(dir, 0o711), os.Chmod(dir, 0o711)); err != nil {
			return nil, fmt.Errorf("agent: %w", err)
		}
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	a.bootID = strings.TrimSpace(string(boot))
	if a.sequence, err = openSequence(filepath.Join(cfg.DataDir, "sequence")); err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	a.images, err = imagecache.New(imagecache.Config{
		Dir: filepath.Join(cfg.DataDir, "images"), Limit: cfg.CacheLimit, Source: a.control.ReadImage, Log: deps.Log,
	})
	if err != nil {
		return nil, err
	}
	if err := a.openVolumes(deps); err != nil {
		return nil, err
	}
	a.metadata = metadata.New(passwords{a}, deps.Log)
	a.networks = newNetworks(a.vif, a.metadata)
	return a, nil
}

// Start loads what the host has, takes up its guests and begins to answer. It
// returns when the agent answers; guests are started again in the background.
func (a *Agent) Start(ctx context.Context) error {
	a.started = a.now()
	if err := a.load(); err != nil {
		return err
	}
	loaded := len(a.servers) // later it takes a lock: requests bring others
	ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
	a.running.Go(func() { _ = a.hv.Watch(ctx, func(e hypervisor.Event) { a.onEvent(ctx, e) }) })
	if err := a.handle(); err != nil {
		return errors.Join(err, a.Stop(ctx))
	}
	a.running.Go(func() { a.resume(ctx) })
	a.running.Go(func() { a.tendVolumes(ctx) })
	a.running.Go(func() { a.heartbeats(ctx, hostapi.ReportHost, a.hostReport) })
	a.running.Go(func() { a.heartbeats(ctx, hostapi.ReportVolumes, a.volumeReport) })
	a.log.Info("agent started", "host", a.cfg.Host, "servers", loaded)
	return nil
}

// Stop ends the agent. Guests, their networks and namespaces go on.
func (a *Agent) Stop(context.Context) error {
	var failures []error
	for _, s := range a.subs {
		failures = append(failures, s.Unsubscribe())
	}
	a.subs = nil
	if a.cancel != nil {
		a.cancel()
	}
	a.mu.Lock()
	for _, s := range a.servers {
		s.interrupt(errs.New(errs.Unavailable, "The host's agent is being stopped."))
	}
	a.mu.Unlock()
	a.consoles.close()
	a.images.Close()
	a.running.Wait()
	for _, b := range a.backends {
		b.Stop()
	}
	failures = append(failures, a.metadata.Close(), a.sequence.close())
	return errors.Join(failures...)
}

// handle answers the control plane.
func (a *Agent) handle() error {
	handlers := map[string]func(context.Context, *bus.Msg) (any, error){
		hostapi.VerbEnsure:       verb(a.Ensure),
		hostapi.VerbRemove:       verb(a.Remove),
		hostapi.VerbConsoleLog:   verb(a.ConsoleLog),
		hostapi.VerbConsoleOpen:  verb(a.OpenConsole),
		hostapi.VerbConsoleRead:  a.readConsole,
		hostapi.VerbConsoleWrite: verb(a.WriteConsole),
		hostapi.VerbConsoleClose: verb(a.CloseConsole),
		hostapi.VerbSnapshot:     verb(a.Snapshot),
		hostapi.VerbDiagnostics:  verb(a.Diagnostics),
		hostapi.VerbPrefetch:     verb(a.Prefetch),
		hostapi.VerbImages:       verb(a.Images),
		hostapi.VerbReport:       verb(a.Report),
	}
	maps.Copy(handlers, a.volumes.handlers())
	for verb, h := range handlers {
		sub, err := a.bus.Handle(hostapi.HostSubject(a.cfg.Host, verb), "", h)
		if err != nil {
			return fmt.Errorf("agent: %w", err)
		}
		a.subs = append(a.subs, sub)
	}
	return nil
}

// verb makes a bus handler of a typed method.
func verb[In, Out any](f func(context.Context, *In) (*Out, error)) func(context.Context, *bus.Msg) (any, error) {
	return func(ctx context.Context, m *bus.Msg) (any, error) {
		in := new(In)
		if len(m.Data) > 0 {
			if err := decode(m, in); err != nil {
				return nil, err
			}
		}
		out, err := f(ctx, in)
		if err != nil || out == nil {
			return nil, err
		}
		return out, nil
	}
}

// Prefetch brings an image into the host's cache.
func (a *Agent) Prefetch(ctx context.Context, disk *hostapi.RootDisk) (*struct{}, error) {
	_, err := a.images.Get(ctx, *disk)
	return nil, err
}

// Images lists the host's cache of images.
func (a *Agent) Images(context.Context, *struct{}) (*hostapi.ImageCache, error) {
	list := a.images.List()
	return &list, nil
}

// Diagnostics measures a running guest.
func (a *Agent) Diagnostics(ctx context.Context, ref *hostapi.ServerRef) (*hostapi.Diagnostics, error) {
	s, err := a.known(ref.ServerID)
	if err != nil {
		return nil, err
	}
	d, err := a.hv.Diagnostics(ctx, ref.ServerID)
	if err != nil {
		return nil, err
	}
	d.ConfigDrive = s.current().ConfigDrive
	return d, nil
}

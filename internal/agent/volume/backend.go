package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"kumoi/internal/agent/imagecache"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/logx"
)

// Images brings images to the host.
type Images interface {
	// Link makes a hard link to the image at path.
	Link(ctx context.Context, want hostapi.RootDisk, path string) (imagecache.Image, error)
}

// Config says where the volumes are and who reaches them.
type Config struct {
	Name    string // of the backend; default "file"
	Host    string
	Address string // where other hosts reach this one
	Dir     string // for volumes' folders, and what a backend keeps on the host
	RunDir  string // for sockets; its path is short
	Images  Images
	Control hostapi.VolumeControl
	// ReservedPercent and OverSubscription are those of the setting.
	ReservedPercent  int
	OverSubscription float64
	// UID and GID are QEMU's, which opens the sockets.
	UID, GID int
	Log      *slog.Logger
}

// Backend keeps volumes in a store and serves them.
type Backend struct {
	cfg    Config
	log    *slog.Logger
	store  store
	shared bool // with other hosts
	mu     sync.Mutex
	states map[string]*state
	said   reported

	cancel  context.CancelFunc
	running sync.WaitGroup
}

var _ hostapi.VolumeHost = (*Backend)(nil)

// state is what the agent has in memory of a volume.
type state struct {
	turn    chan struct{} // holds one token; who takes it may work on the volume
	readers int           // that need the daemon between their turns
	key     *hostapi.VolumeEncryption
	clients atomic.Pointer[map[string]client] // of the record; nil: not known yet
	looked  time.Time                         // when it was last seen whose the volume is; under Backend.mu
}

// volume is a volume that somebody has the turn for.
type volume struct {
	b     *Backend
	dir   string // in a store of folders
	rec   *record
	state *state
}

func (v *volume) daemon() daemon { return served(v.b.cfg.RunDir, v.b.cfg.Name, v.rec.ID) }

// save keeps the record, in the store and for the watch.
func (v *volume) save(ctx context.Context) error {
	if v.rec.Server = ""; v.b.shared && len(v.rec.Clients) > 0 {
		v.rec.Server = v.b.cfg.Host
	}
	if err := v.b.store.save(ctx, v); err != nil {
		return err
	}
	clients := maps.Clone(v.rec.Clients)
	v.state.clients.Store(&clients)
	return nil
}

// served is the daemon of a volume.
func served(runDir, backend, id string) daemon { return daemon{runDir, backend + "-" + id} }

// New opens a backend of files of the host.
func New(cfg Config) (*Backend, error) {
	if cfg.Name == "" {
		cfg.Name = "file"
	}
	b, err := open(cfg)
	if err != nil {
		return nil, err
	}
	f := &folders{b: b, share: folder(cfg.Dir), driver: "file"}
	if err := f.prepare(context.Background()); err != nil {
		return nil, fmt.Errorf("volumes: %w", err)
	}
	b.store = f
	return b, nil
}

// open makes a backend's folders on the host, and removes what a crash has left.
func open(cfg Config) (*Backend, error) {
	for _, dir := range []string{cfg.Dir, cfg.RunDir} {
		if err := errors.Join(os.MkdirAll(dir, 0o711), os.Chmod(dir, 0o711)); err != nil { // QEMU passes through to its sockets
			return nil, fmt.Errorf("volumes: %w", err)
		}
	}
	entries, err := os.ReadDir(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("volumes: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".new-") {
			if err := os.RemoveAll(filepath.Join(cfg.Dir, e.Name())); err != nil {
				return nil, fmt.Errorf("volumes: %w", err)
			}
		}
	}
	return &Backend{cfg: cfg, log: logx.Or(cfg.Log).With("component", "volume", "backend", cfg.Name), states: map[string]*state{}}, nil
}

// turn waits until nobody else works on the volume.
func (b *Backend) turn(ctx context.Context, ref hostapi.VolumeRef) (*state, func(), error) {
	if ref.Backend != b.cfg.Name {
		return nil, nil, errs.New(errs.Invalid, "The host has no backend %q for volumes.", ref.Backend)
	}
	if _, err := uuid.Parse(ref.ID); err != nil || len(ref.ID) != 36 {
		return nil, nil, errs.New(errs.Invalid, "%q is no volume's id.", ref.ID)
	}
	b.mu.Lock()
	s := b.states[ref.ID]
	if s == nil {
		s = &state{turn: make(chan struct{}, 1)}
		s.turn <- struct{}{}
		b.states[ref.ID] = s
	}
	b.mu.Unlock()
	select {
	case <-s.turn:
		return s, func() { s.turn <- struct{}{} }, nil
	case <-ctx.Done():
		return nil, nil, errs.Wrap(errs.Unavailable, context.Cause(ctx), "Other work on volume %s takes its time.", ref.ID)
	}
}

// load needs the volume's turn.
func (b *Backend) load(ctx context.Context, ref hostapi.VolumeRef, s *state) (*volume, error) {
	rec, err := b.store.load(ctx, ref.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errs.New(errs.NotFound, "Backend %s of host %s has no volume %s.", b.cfg.Name, b.cfg.Host, ref.ID)
	}
	if err != nil {
		return nil, err
	}
	v := &volume{b: b, dir: ref.ID, rec: rec, state: s}
	if !v.elsewhere() {
		clients := maps.Clone(rec.Clients)
		s.clients.Store(&clients)
	}
	return v, nil
}

// with works on a volume when it is its turn, unless another host serves it.
func (b *Backend) with(ctx context.Context, ref hostapi.VolumeRef, f func(v *volume) error) error {
	return b.loaded(ctx, ref, func(v *volume) error {
		if v.elsewhere() {
			return v.leave(ctx)
		}
		return f(v)
	})
}

// loaded works on a volume when it is its turn, whoever serves it.
func (b *Backend) loaded(ctx context.Context, ref hostapi.VolumeRef, f func(v *volume) error) error {
	s, end, err := b.turn(ctx, ref)
	if err != nil {
		return err
	}
	defer end()
	v, err := b.load(ctx, ref, s)
	if err != nil {
		return err
	}
	return f(v)
}

// serving works on a volume whose daemon is there.
func (b *Backend) serving(ctx context.Context, ref hostapi.VolumeRef, f func(v *volume, q *qmp) error) error {
	return b.with(ctx, ref, func(v *volume) error { return v.serving(ctx, func(q *qmp) error { return f(v, q) }) })
}

func (v *volume) serving(ctx context.Context, f func(q *qmp) error) error {
	q, err := v.open(ctx)
	if err == nil {
		err = f(q)
	}
	return errors.Join(err, v.done(ctx, q))
}

// idle refuses work that clients must not see.
func (v *volume) idle() error {
	if n := len(v.rec.Clients); n > 0 || v.state.readers > 0 {
		return errs.New(errs.Conflict, "Volume %s is exported to %d clients and read by %d backups or copies.", v.rec.ID, n, v.state.readers)
	}
	return nil
}

// Package fake is a host of volumes in memory: for tests, and to try the API.
// It keeps bytes sparsely and behaves like the real backends, but nothing
// survives it and nothing but Open reads what a connection reaches.
package fake

import (
	"context"
	"maps"
	"slices"
	"sync"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// Config says what the fake pretends to be.
type Config struct {
	Host     string
	Backends []string // their names; default "fake"
	TotalGiB int      // of each backend; default 1000
	// Control is asked for images and backups.
	Control hostapi.VolumeControl
	// Shared is a host that has the same bytes; nil: this one has its own.
	Shared *Host
	// Net joins fakes that reach each other's volumes; default one of its own.
	Net *Net
}

// Host is a host's volumes.
type Host struct {
	cfg     Config
	mu      *sync.Mutex
	volumes map[hostapi.VolumeRef]*volume
	parked  map[hostapi.VolumeRef]*volume // released, by name
	backups map[string]content
	shared  bool
}

var _ hostapi.VolumeHost = (*Host)(nil)

type volume struct {
	sizeGiB   int
	content   content
	key       string
	snapshots []snapshot // oldest first
	clients   map[string]hostapi.VolumeConnection
	limits    hostapi.VolumeLimits
	mirror    *volume // that each write goes to as well
	copied    bool    // its clients are shut out, for a copy goes on in its place
}

type snapshot struct {
	id      string // "": nobody manages it
	name    string // then
	sizeGiB int
	content content
}

// New makes a host without volumes.
func New(cfg Config) *Host {
	if len(cfg.Backends) == 0 {
		cfg.Backends = []string{"fake"}
	}
	if cfg.TotalGiB == 0 {
		cfg.TotalGiB = 1000
	}
	if cfg.Net == nil {
		cfg.Net = NewNet()
	}
	h := &Host{cfg: cfg, mu: &sync.Mutex{}, volumes: map[hostapi.VolumeRef]*volume{}, parked: map[hostapi.VolumeRef]*volume{}, backups: map[string]content{}}
	if with := cfg.Shared; with != nil {
		h.mu, h.volumes, h.parked, h.backups, with.shared, h.shared = with.mu, with.volumes, with.parked, with.backups, true, true
	}
	cfg.Net.join(h)
	return h
}

// ByBackend is the host under the name of each of its backends, as an agent takes it.
func (h *Host) ByBackend() map[string]hostapi.VolumeHost {
	out := map[string]hostapi.VolumeHost{}
	for _, name := range h.cfg.Backends {
		out[name] = h
	}
	return out
}

// find needs the lock.
func (h *Host) find(ref hostapi.VolumeRef) (*volume, error) {
	if !slices.Contains(h.cfg.Backends, ref.Backend) {
		return nil, errs.New(errs.Invalid, "The host has no backend %q for volumes.", ref.Backend)
	}
	v := h.volumes[ref]
	if v == nil {
		return nil, errs.New(errs.NotFound, "Backend %s of host %s has no volume %s.", ref.Backend, h.cfg.Host, ref.ID)
	}
	return v, nil
}

// VolumeBackends says what the host pretends to have.
func (h *Host) VolumeBackends(context.Context) ([]hostapi.VolumeBackend, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []hostapi.VolumeBackend
	for _, name := range h.cfg.Backends {
		used := 0
		for ref, v := range h.volumes {
			if ref.Backend == name {
				used += v.sizeGiB
			}
		}
		out = append(out, hostapi.VolumeBackend{
			Name: name, Driver: "fake", Pool: name, TotalGiB: h.cfg.TotalGiB, UsedGiB: used,
			FreeGiB: max(h.cfg.TotalGiB-used, 0), Shared: h.shared, Thin: true, Thick: true,
		})
	}
	return out, nil
}

// CreateVolume makes a volume.
func (h *Host) CreateVolume(ctx context.Context, c *hostapi.VolumeCreate) (*hostapi.VolumeBytes, error) {
	if c.SizeGiB < 1 {
		return nil, errs.New(errs.Invalid, "A volume cannot have %d GiB.", c.SizeGiB)
	}
	h.mu.Lock()
	v, err := h.find(c.VolumeRef)
	h.mu.Unlock()
	if v != nil {
		return h.describe(v), nil
	}
	if !errs.Is(err, errs.NotFound) {
		return nil, err
	}
	v = &volume{sizeGiB: c.SizeGiB, content: content{}, clients: map[string]hostapi.VolumeConnection{}}
	if c.Encryption != nil {
		v.key = string(c.Encryption.Key)
	}
	if c.Image != nil {
		if v.content, err = h.fetch(ctx, c.Image); err != nil {
			return nil, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	size := int(v.content.end()+1<<30-1) >> 30
	switch {
	case c.Snapshot != nil:
		from, at, err := h.snapshot(*c.Snapshot)
		if err != nil {
			return nil, err
		}
		v.content, size = from.snapshots[at].content.clone(), from.snapshots[at].sizeGiB
	case c.Volume != nil:
		from, err := h.find(*c.Volume)
		if err != nil {
			return nil, err
		}
		v.content, size = from.content.clone(), from.sizeGiB
	}
	if size > c.SizeGiB {
		return nil, errs.New(errs.Invalid, "A volume of %d GiB cannot hold %d GiB.", c.SizeGiB, size)
	}
	h.volumes[c.VolumeRef] = v
	return h.describe(v), nil
}

func (h *Host) describe(v *volume) *hostapi.VolumeBytes {
	return &hostapi.VolumeBytes{SizeGiB: v.sizeGiB, UsedBytes: v.content.used()}
}

// fetch reads an image as the raw disk that it is taken for.
func (h *Host) fetch(ctx context.Context, image *hostapi.RootDisk) (content, error) {
	out := content{}
	for at := int64(0); at < image.ImageBytes; {
		data, err := h.cfg.Control.ReadImage(ctx, image.ImageID, at, int(min(hostapi.MaxChunk, image.ImageBytes-at)))
		if err != nil {
			return nil, err
		}
		if len(data) == 0 {
			return nil, errs.New(errs.Invalid, "Image %s ends at %d bytes, not at %d.", image.ImageID, at, image.ImageBytes)
		}
		out.write(data, at)
		at += int64(len(data))
	}
	return out, nil
}

// DeleteVolume forgets a volume that has no clients and no snapshots.
func (h *Host) DeleteVolume(_ context.Context, ref hostapi.VolumeRef) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.find(ref)
	switch {
	case errs.Is(err, errs.NotFound):
		return nil
	case err != nil:
		return err
	case len(v.clients) > 0:
		return errs.New(errs.Conflict, "The volume is exported to %d clients.", len(v.clients))
	case len(v.snapshots) > 0:
		return errs.New(errs.Conflict, "The volume has %d snapshots.", len(v.snapshots))
	}
	delete(h.volumes, ref)
	return nil
}

// ExtendVolume grows a volume.
func (h *Host) ExtendVolume(_ context.Context, ref hostapi.VolumeRef, sizeGiB int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.find(ref)
	if err != nil {
		return err
	}
	v.sizeGiB = max(v.sizeGiB, sizeGiB)
	return nil
}

// LimitVolume remembers the limits.
func (h *Host) LimitVolume(_ context.Context, ref hostapi.VolumeRef, limits hostapi.VolumeLimits) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.find(ref)
	if err != nil {
		return err
	}
	v.limits = limits
	return nil
}

// Limits tells what a volume's clients may do.
func (h *Host) Limits(ref hostapi.VolumeRef) hostapi.VolumeLimits {
	h.mu.Lock()
	defer h.mu.Unlock()
	if v := h.volumes[ref]; v != nil {
		return v.limits
	}
	return hostapi.VolumeLimits{}
}

// Volumes are the volumes that there are.
func (h *Host) Volumes() []hostapi.VolumeRef {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.volumes))
}

package fake

import (
	"context"
	"fmt"
	"io"
	"sync"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// Net is what connects hosts in memory.
type Net struct {
	mu    sync.Mutex
	hosts map[string]*Host
}

// NewNet joins no hosts yet.
func NewNet() *Net { return &Net{hosts: map[string]*Host{}} }

func (n *Net) join(h *Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[h.cfg.Host] = h
}

func (n *Net) host(name string) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.hosts[name]
}

// ExportVolume lets a client open the volume.
func (h *Host) ExportVolume(_ context.Context, e *hostapi.VolumeExport) (*hostapi.VolumeConnection, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.find(e.VolumeRef)
	if err != nil {
		return nil, err
	}
	if v.key != "" && (e.Encryption == nil || string(e.Encryption.Key) != v.key) {
		return nil, errs.New(errs.Invalid, "The key does not open the volume.")
	}
	if v.copied {
		return nil, errs.New(errs.Unavailable, "Volume %s is moving; try again.", e.ID)
	}
	v.limits = e.Limits
	conn, known := v.clients[e.Client]
	if !known {
		conn = hostapi.VolumeConnection{VolumeID: e.ID, Backend: e.Backend, Host: h.cfg.Host, Export: e.Backend + "/" + e.Client, ReadOnly: e.ReadOnly}
		if e.Host != h.cfg.Host {
			conn.Address, conn.Key = h.cfg.Host+":10809", fmt.Appendf(nil, "key of %s", e.Client)
		}
		v.clients[e.Client] = conn
	}
	return &conn, nil
}

// UnexportVolume ends what ExportVolume has begun.
func (h *Host) UnexportVolume(_ context.Context, ref hostapi.VolumeRef, client string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.find(ref)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	delete(v.clients, client)
	return nil
}

// Device is a volume as its client sees it.
type Device struct {
	host     *Host
	ref      hostapi.VolumeRef
	client   string
	readOnly bool
}

// Open reaches a volume through a connection.
func (h *Host) Open(conn *hostapi.VolumeConnection) (*Device, error) {
	owner := h.cfg.Net.host(conn.Host)
	if owner == nil {
		return nil, errs.New(errs.Unavailable, "No host %s is there.", conn.Host)
	}
	for _, backend := range owner.cfg.Backends {
		ref := hostapi.VolumeRef{Backend: backend, ID: conn.VolumeID}
		owner.mu.Lock()
		v := owner.volumes[ref]
		for client, c := range clientsOf(v) {
			if c.Export == conn.Export && string(c.Key) == string(conn.Key) {
				owner.mu.Unlock()
				return &Device{owner, ref, client, c.ReadOnly}, nil
			}
		}
		owner.mu.Unlock()
	}
	return nil, errs.New(errs.NotFound, "Nothing is exported as %s.", conn.Export)
}

func clientsOf(v *volume) map[string]hostapi.VolumeConnection {
	if v == nil {
		return nil
	}
	return v.clients
}

// use runs f while the export lasts.
func (d *Device) use(f func(v *volume) error) error {
	d.host.mu.Lock()
	defer d.host.mu.Unlock()
	v := d.host.volumes[d.ref]
	if _, ok := clientsOf(v)[d.client]; !ok {
		return errs.New(errs.Gone, "The volume is no longer exported to %s.", d.client)
	}
	if v.copied {
		return errs.New(errs.Gone, "The volume has moved.")
	}
	return f(v)
}

// Size is the volume's in bytes.
func (d *Device) Size() (size int64, err error) {
	err = d.use(func(v *volume) error { size = int64(v.sizeGiB) << 30; return nil })
	return size, err
}

// ReadAt reads the volume.
func (d *Device) ReadAt(p []byte, off int64) (n int, err error) {
	err = d.use(func(v *volume) error {
		if off < 0 || off+int64(len(p)) > int64(v.sizeGiB)<<30 {
			return io.EOF
		}
		v.content.read(p, off)
		n = len(p)
		return nil
	})
	return n, err
}

// WriteAt writes to the volume, and to its copy while there is one.
func (d *Device) WriteAt(p []byte, off int64) (n int, err error) {
	err = d.use(func(v *volume) error {
		switch {
		case d.readOnly:
			return errs.New(errs.Forbidden, "The volume is exported to be read only.")
		case off < 0 || off+int64(len(p)) > int64(v.sizeGiB)<<30:
			return io.ErrShortWrite
		}
		v.content.write(p, off)
		if n = len(p); v.mirror != nil {
			v.mirror.content.write(p, off)
		}
		return nil
	})
	return n, err
}

// Close ends nothing: the export lasts until UnexportVolume.
func (*Device) Close() error { return nil }

// CopyVolume copies a volume into one that it reaches.
func (h *Host) CopyVolume(_ context.Context, c *hostapi.VolumeCopy) error {
	to, err := h.Open(&c.To)
	if err != nil {
		return err
	}
	if to.host.mu != h.mu {
		to.host.mu.Lock()
		defer to.host.mu.Unlock()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	from, err := h.find(c.From)
	if err != nil {
		return err
	}
	target := to.host.volumes[to.ref]
	switch {
	case from.copied:
		return nil
	case target.sizeGiB < from.sizeGiB:
		return errs.New(errs.Invalid, "A volume of %d GiB cannot hold %d GiB.", target.sizeGiB, from.sizeGiB)
	}
	target.content = from.content.clone()
	from.mirror, from.copied = target, len(from.clients) == 0
	return nil
}

// FinishCopy shuts a volume that was copied.
func (h *Host) FinishCopy(_ context.Context, ref hostapi.VolumeRef) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	from, err := h.find(ref)
	switch {
	case err != nil:
		return err
	case from.mirror == nil:
		return errs.New(errs.Conflict, "The copy of volume %s has ended; it is to be made again.", ref.ID)
	}
	from.copied = true
	return nil
}

// EndCopy gives a copy up.
func (h *Host) EndCopy(_ context.Context, c *hostapi.VolumeCopy) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	from, err := h.find(c.From)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err == nil {
		from.mirror, from.copied = nil, false
	}
	return err
}

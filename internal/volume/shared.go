package volume

import (
	"context"
	"slices"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/store"
)

// Volumes of a shared backend are the same bytes on several hosts. One host at a
// time serves a volume: the one in its place, which is the one of its client.

// bringNear gives a volume to the host of its client, which has no way through
// another then. It stays where it is while another client has it or it is worked on.
func (f *Attachments) bringNear(ctx context.Context, tx *store.Tx, v *Volume, client *Attachment) error {
	place := ParsePlace(v.Host)
	if client.AttachedHost == "" || client.AttachedHost == place.Host || v.GroupID != "" || migrating(v) {
		return nil
	}
	if slices.ContainsFunc(v.Attachments, func(a *Attachment) bool { return a.ID != client.ID && a.AttachedHost != "" }) {
		return nil
	}
	list, err := f.s.Backends.all(ctx, tx)
	if err != nil {
		return err
	}
	to := backendOf(list, Place{client.AttachedHost, place.Backend, place.Pool}.String())
	if !sameBytes(backendOf(list, v.Host), to) || f.s.Backends.Fault(to) != "" {
		return nil
	}
	if _, busy, err := f.s.sagas.Active(ctx, tx, resource(v.ID)); err != nil || busy {
		return err
	}
	v.Host = to.Place().String()
	return f.s.Volumes.save(ctx, tx, v)
}

// unlessLost forgives a host that does not answer if it is down and its backend
// is shared: the next host that serves the volume forgets its clients.
func (f *Backends) unlessLost(ctx context.Context, place string, err error) error {
	var b *Backend
	e := f.s.read(ctx, func(tx *store.Tx) error {
		list, err := f.all(ctx, tx)
		b = backendOf(list, place)
		return err
	})
	if e != nil || b == nil || !b.Report.Shared || f.s.now().Sub(b.SeenAt) < hostapi.DownAfter {
		return err
	}
	f.s.log.Warn("a host that is down is taken to serve no volumes of a shared backend", "place", place)
	return nil
}

// shut ends the clients' way to the place that a volume leaves.
func (f *Moves) shut(ctx context.Context, w *Work, v *Volume) error {
	h, err := f.s.host(w.Place)
	if err != nil {
		return err
	}
	for _, a := range connected(v) {
		err := gone(h.UnexportVolume(ctx, w.ref(), a.ID))
		if away(err) {
			err = f.s.Backends.unlessLost(ctx, w.Place, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

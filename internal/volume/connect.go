package volume

import (
	"context"
	"slices"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// How a client gets its way to a volume and loses it, whoever the client is.

// Connection is how a client opens a volume, and what it limits itself.
type Connection struct {
	hostapi.VolumeConnection
	Specs map[string]string `json:"qos_specs,omitempty"`
}

// find reads an attachment with its volume, whoever asks.
func (f *Attachments) find(ctx context.Context, id string) (a *Attachment, v *Volume, err error) {
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		a, v, err = f.findTx(ctx, tx, id)
		return err
	})
	return a, v, err
}

func (f *Attachments) findTx(ctx context.Context, tx *store.Tx, id string) (*Attachment, *Volume, error) {
	a, err := f.s.tables.Attachments.Get(ctx, tx, id)
	if errs.Is(err, errs.NotFound) {
		return nil, nil, attachmentNotFound(id)
	}
	if err != nil {
		return nil, nil, err
	}
	v, err := f.s.tables.Volumes.Get(ctx, tx, a.VolumeID)
	return a, v, err
}

// connect has the backend's host let a client in. Who that is, client writes
// into the attachment: it is recorded before the host lets it in, so that after
// a crash it is known whom to shut out. All of it may be repeated.
func (f *Attachments) connect(ctx context.Context, id string, client func(a *Attachment, v *Volume) error) (*Attachment, error) {
	var open opening
	var place string
	err := f.s.write(ctx, func(tx *store.Tx) error {
		a, v, err := f.findTx(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := client(a, v); err != nil {
			return err
		}
		if err := f.bringNear(ctx, tx, v, a); err != nil {
			return err
		}
		if v.ReadOnly {
			a.Mode = "ro"
		}
		if a.Status != Attached {
			a.Status = Attaching
		}
		a.UpdatedAt, place = f.s.now(), v.Host
		if err := f.s.tables.Attachments.Update(ctx, tx, a); err != nil {
			return err
		}
		if open, err = f.s.Attachments.opening(ctx, tx, v, a.ID, a.AttachedHost, a.Mode == "ro"); err != nil {
			return err
		}
		return f.s.Volumes.restate(ctx, tx, v.ID)
	})
	if err != nil {
		return nil, err
	}
	conn, err := f.s.Attachments.export(ctx, place, open)
	if err != nil {
		return nil, err
	}
	var out *Attachment
	err = f.s.write(ctx, func(tx *store.Tx) error {
		a, err := f.s.tables.Attachments.Get(ctx, tx, id)
		if errs.Is(err, errs.NotFound) {
			return attachmentNotFound(id)
		}
		if err != nil {
			return err
		}
		v, err := f.s.tables.Volumes.Get(ctx, tx, a.VolumeID)
		if err != nil {
			return err
		}
		if v.Host != place {
			return errs.New(errs.Unavailable, "Volume %s has moved meanwhile; try again.", v.ID)
		}
		out, a.Connection = a, conn
		return f.s.tables.Attachments.Update(ctx, tx, a)
	})
	return out, err
}

// opening is the order to let a client in, and what its host limits itself.
type opening struct {
	export *hostapi.VolumeExport
	specs  map[string]string
}

func (f *Attachments) opening(ctx context.Context, tx *store.Tx, v *Volume, client, host string, readOnly bool) (o opening, err error) {
	kind, err := f.s.parts.typeByID(ctx, tx, v.TypeID)
	if err != nil {
		return o, err
	}
	o.export = &hostapi.VolumeExport{VolumeRef: v.ref(), Client: client, Host: host, ReadOnly: readOnly}
	if kind.Spec != nil {
		o.export.Limits, o.specs = kind.Spec.Limits(v.SizeGiB), kind.Spec.FrontEndSpecs(v.SizeGiB)
	}
	o.export.Encryption, err = f.s.keys.encryption(ctx, tx, v)
	return o, err
}

func (f *Attachments) export(ctx context.Context, place string, o opening) (*Connection, error) {
	h, err := f.s.host(place)
	if err != nil {
		return nil, err
	}
	c, err := h.ExportVolume(ctx, o.export)
	if err != nil {
		return nil, err
	}
	return &Connection{*c, o.specs}, nil
}

// unexport ends a client's way to a volume.
func (f *Attachments) unexport(ctx context.Context, v *Volume, client string) error {
	h, err := f.s.host(v.Host)
	if err != nil {
		return err
	}
	err = gone(h.UnexportVolume(ctx, v.ref(), client))
	if away(err) {
		return f.s.Backends.unlessLost(ctx, v.Host, err)
	}
	return err
}

// settle gives a volume the status that follows from its attachments.
func (v *Volume) settle() {
	has := func(status string) bool {
		return slices.ContainsFunc(v.Attachments, func(a *Attachment) bool { return a.Status == status })
	}
	v.AttachStatus = "detached"
	switch {
	case has(Attached):
		v.Status, v.AttachStatus = InUse, Attached
	case has(Attaching):
		v.Status = Attaching
	case has(Reserved), has(ErrorAttaching):
		v.Status = Reserved
	default:
		v.Status = Available
	}
}

// byAttachment are the statuses that only attachments make: a volume with
// another has an operation at work, which ends as it says.
var byAttachment = []string{Available, Reserved, Attaching, InUse, Detaching, ErrorAttaching, "error_detaching"}

// restate gives a volume the status that its attachments make.
func (f *Volumes) restate(ctx context.Context, tx *store.Tx, id string) error {
	v, err := f.s.tables.Volumes.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	before := v.Status
	v.settle()
	if !slices.Contains(byAttachment, before) {
		if slices.Contains(byAttachment, v.PreviousStatus) {
			v.PreviousStatus = v.Status
		}
		v.Status = before
	}
	return f.save(ctx, tx, v)
}

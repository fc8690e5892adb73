package volume

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Attachments are the clients of volumes.
type Attachments struct{ s *Service }

// Statuses of attachments.
const (
	Attached       = "attached"
	ErrorAttaching = "error_attaching"
)

func (a *Attachment) target() policy.Target { return policy.Target{"project_id": a.ProjectID} }

// get reads an attachment for an actor who may know of it and do what the rule names.
func (f *Attachments) get(ctx context.Context, tx *store.Tx, rule, id string) (*Attachment, error) {
	a, err := f.s.tables.Attachments.Get(ctx, tx, id)
	if err == nil && !f.s.sees(ctx, a.ProjectID) && !f.s.inside(ctx) || errs.Is(err, errs.NotFound) {
		return nil, attachmentNotFound(id)
	}
	if err != nil {
		return nil, err
	}
	return a, f.s.policy.Check(ctx, rule, a.target())
}

// List lists attachments.
func (f *Attachments) List(ctx context.Context, q store.Query) (page store.Page[Attachment], err error) {
	if err := f.s.Check(ctx, "volume:get_all"); err != nil {
		return page, err
	}
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		page, err = f.s.tables.Attachments.List(ctx, tx, f.s.scope(ctx, q, "project_id"))
		return err
	})
	return page, err
}

// Show returns an attachment.
func (f *Attachments) Show(ctx context.Context, id string) (a *Attachment, err error) {
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		a, err = f.get(ctx, tx, "volume:get", id)
		return err
	})
	return a, err
}

// NewAttachment is what an attachment is made of. Without a connector it only
// reserves the volume.
type NewAttachment struct {
	ID, VolumeID, InstanceID string
	Mode                     string // rw, ro; "": as the connector says
	Mountpoint               string
	Connector                map[string]any
}

// Create reserves a volume, and connects it if the client says where it is.
func (f *Attachments) Create(ctx context.Context, n NewAttachment) (a *Attachment, err error) {
	err = f.s.write(ctx, func(tx *store.Tx) (err error) {
		a, err = f.ReserveTx(ctx, tx, n)
		return err
	})
	if err != nil || len(n.Connector) == 0 {
		return a, err
	}
	made, err := f.connect(ctx, a.ID, "volume:attachment_create", n.Connector)
	if err != nil {
		f.giveUp(ctx, a.ID)
		return nil, err
	}
	return made, nil
}

// giveUp removes an attachment that did not come to be.
func (f *Attachments) giveUp(ctx context.Context, id string) {
	if err := f.drop(context.WithoutCancel(ctx), id, true); err != nil {
		f.s.log.Warn("an attachment is left", "attachment", id, "error", err)
	}
}

// ReserveTx makes an attachment that waits for its connector, in the caller's
// transaction. The volume is nobody else's from then on.
func (f *Attachments) ReserveTx(ctx context.Context, tx *store.Tx, n NewAttachment) (*Attachment, error) {
	v, err := f.s.get(ctx, tx, "volume:attachment_create", n.VolumeID)
	if err != nil {
		return nil, err
	}
	if strings.Contains(v.Status, Error) {
		return nil, invalid("Volume attachments can not be created if the volume is in an error state. The Volume %s currently has a status of: %s", v.ID, v.Status)
	}
	again := n.InstanceID != "" && slices.ContainsFunc(v.Attachments, func(a *Attachment) bool {
		return a.InstanceID == n.InstanceID && a.Status == Attached
	})
	shared := v.Multiattach || again // a server that moves has it twice for a while
	if v.Status != Available && (!shared || !slices.Contains([]string{InUse, Reserved, Attaching}, v.Status)) || migrating(v) {
		return nil, invalid("Volume %s status must be available or downloading to reserve, but the current status is %s.", v.ID, v.Status)
	}
	if v.Multiattach && v.Bootable && len(v.Attachments) > 0 {
		if err := f.s.policy.Check(ctx, "volume:multiattach_bootable_volume", v.target()); err != nil {
			return nil, err
		}
	}
	a := &Attachment{
		ID: n.ID, VolumeID: v.ID, ProjectID: v.ProjectID, InstanceID: n.InstanceID, Mountpoint: n.Mountpoint, Mode: n.Mode, Status: Reserved,
		New: true, CreatedAt: f.s.now(),
	}
	if a.ID == "" {
		a.ID = ids.New()
	}
	if a.Mode == "" {
		a.Mode = "null"
	}
	if v.ReadOnly {
		a.Mode = "ro"
	}
	if err := f.s.tables.Attachments.Insert(ctx, tx, a); err != nil {
		return nil, err
	}
	audit.Created(ctx, a.ID)
	v.Attachments = append(v.Attachments, a)
	v.settle()
	return a, f.s.save(ctx, tx, v)
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

// Update gives an attachment its connector, and the connection to it.
func (f *Attachments) Update(ctx context.Context, id string, connector map[string]any) (*Attachment, error) {
	return f.connect(ctx, id, "volume:attachment_update", connector)
}

// connect has the backend's host let the client in. It may be repeated.
func (f *Attachments) connect(ctx context.Context, id, rule string, connector map[string]any) (*Attachment, error) {
	var open opening
	var place string
	err := f.s.write(ctx, func(tx *store.Tx) error {
		a, err := f.get(ctx, tx, rule, id)
		if err != nil {
			return err
		}
		v, err := f.s.tables.Volumes.Get(ctx, tx, a.VolumeID)
		if err != nil {
			return err
		}
		if strings.Contains(v.Status, Error) {
			return errs.New(errs.Conflict, "Volume attachments can not be updated if the volume is in an error state. The Volume %s currently has a status of: %s", v.ID, v.Status)
		}
		a.connector(connector)
		if v.ReadOnly {
			a.Mode = "ro"
		}
		if a.Status != Attached {
			a.Status = Attaching
		}
		a.UpdatedAt = f.s.now()
		if err := f.s.tables.Attachments.Update(ctx, tx, a); err != nil {
			return err
		}
		place = v.Host
		if open, err = f.s.openingTx(ctx, tx, v, a.ID, a.AttachedHost, a.Mode == "ro"); err != nil {
			return err
		}
		return f.resettle(ctx, tx, v.ID)
	})
	if err != nil {
		return nil, err
	}
	conn, err := f.s.export(ctx, place, open.export)
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
		out, a.Connection = a, connectionInfo(conn, a, open.specs)
		return f.s.tables.Attachments.Update(ctx, tx, a)
	})
	return out, err
}

// connector takes over what a client says of itself.
func (a *Attachment) connector(c map[string]any) {
	a.Connector = c
	if host, ok := c["host"].(string); ok {
		a.AttachedHost = host
	}
	if at, ok := c["mountpoint"].(string); ok && at != "" {
		a.Mountpoint = at
	}
	if mode, ok := c["mode"].(string); ok && a.Mode == "null" && (mode == "ro" || mode == "rw") {
		a.Mode = mode
	}
	if a.Mode == "null" {
		a.Mode = "rw"
	}
}

// opening is the order to let a client in, and what its host limits itself.
type opening struct {
	export *hostapi.VolumeExport
	specs  map[string]string
}

func (s *Service) openingTx(ctx context.Context, tx *store.Tx, v *Volume, client, host string, readOnly bool) (o opening, err error) {
	kind, err := s.parts.typeByID(ctx, tx, v.TypeID)
	if err != nil {
		return o, err
	}
	o.export = &hostapi.VolumeExport{VolumeRef: v.ref(), Client: client, Host: host, ReadOnly: readOnly}
	if kind.Spec != nil {
		o.export.Limits, o.specs = kind.Spec.Limits(v.SizeGiB), kind.Spec.FrontEndSpecs(v.SizeGiB)
	}
	o.export.Encryption, err = s.encryptionTx(ctx, tx, v)
	return o, err
}

func (s *Service) export(ctx context.Context, place string, e *hostapi.VolumeExport) (*hostapi.VolumeConnection, error) {
	h, err := s.host(place)
	if err != nil {
		return nil, err
	}
	return h.ExportVolume(ctx, e)
}

// connectionInfo is a connection as the API tells it to services.
func connectionInfo(c *hostapi.VolumeConnection, a *Attachment, specs map[string]string) map[string]any {
	return map[string]any{
		"qos_specs":          specs,
		"driver_volume_type": "kumoi", "attachment_id": a.ID, "volume_id": c.VolumeID, "backend": c.Backend, "host": c.Host, "address": c.Address, "export": c.Export,
		"key": base64.StdEncoding.EncodeToString(c.Key), "read_only": c.ReadOnly, "access_mode": a.Mode, "discard": true, "encrypted": false, "enforce_multipath": false, "cacheable": false,
	}
}

// Reach is how a client reaches the volume; nil until it is connected.
func (a *Attachment) Reach() *hostapi.VolumeConnection {
	if len(a.Connection) == 0 {
		return nil
	}
	word := func(key string) string { s, _ := a.Connection[key].(string); return s }
	key, err := base64.StdEncoding.DecodeString(word("key"))
	if err != nil {
		return nil
	}
	return &hostapi.VolumeConnection{
		VolumeID: a.VolumeID, Backend: word("backend"), Host: word("host"), Address: word("address"), Export: word("export"), Key: key, ReadOnly: a.Mode == "ro",
	}
}

// resettle recomputes a volume's status in the transaction of a change of its attachments.
func (f *Attachments) resettle(ctx context.Context, tx *store.Tx, volumeID string) error {
	v, err := f.s.tables.Volumes.Get(ctx, tx, volumeID)
	if err != nil {
		return err
	}
	v.settle()
	return f.s.save(ctx, tx, v)
}

// Complete says that the client has the volume.
func (f *Attachments) Complete(ctx context.Context, id string) error {
	return f.s.write(ctx, func(tx *store.Tx) error { return f.CompleteTx(ctx, tx, id) })
}

// CompleteTx is Complete in the caller's transaction.
func (f *Attachments) CompleteTx(ctx context.Context, tx *store.Tx, id string) error {
	a, err := f.get(ctx, tx, "volume:attachment_complete", id)
	if err != nil {
		return err
	}
	a.Status, a.AttachedAt, a.UpdatedAt = Attached, f.s.now(), f.s.now()
	if err := f.s.tables.Attachments.Update(ctx, tx, a); err != nil {
		return err
	}
	return f.resettle(ctx, tx, a.VolumeID)
}

// Delete ends an attachment and returns those that the volume still has. What a
// server has, only compute ends.
func (f *Attachments) Delete(ctx context.Context, id string) (rest []*Attachment, err error) {
	var a *Attachment
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		a, err = f.get(ctx, tx, "volume:attachment_delete", id)
		return err
	})
	if err == nil {
		err = f.mayEnd(ctx, a)
	}
	if err == nil {
		err = f.drop(ctx, id, false)
	}
	if err != nil {
		return nil, err
	}
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		rest, err = f.s.tables.Attachments.All(ctx, tx, store.Eq("volume_id", a.VolumeID))
		return err
	})
	return rest, err
}

// mayEnd refuses to detach behind a server's back: its host would go on with a
// device whose bytes are somebody else's.
func (f *Attachments) mayEnd(ctx context.Context, a *Attachment) error {
	if f.s.inside(ctx) || a.InstanceID == "" || len(a.Connection) == 0 || f.s.servers == nil {
		return nil
	}
	has, err := f.s.servers.HasVolume(ctx, a.InstanceID, a.VolumeID)
	if err == nil && has {
		err = errs.New(errs.Conflict, "Detach volume from instance %s using the Compute API", a.InstanceID)
	}
	return err
}

// drop ends an export and then forgets the attachment. With force it is
// forgotten although its host does not answer.
func (f *Attachments) drop(ctx context.Context, id string, force bool) error {
	var a *Attachment
	var v *Volume
	err := f.s.read(ctx, func(tx *store.Tx) (err error) {
		if a, err = f.s.tables.Attachments.Get(ctx, tx, id); err == nil {
			v, err = f.s.tables.Volumes.Get(ctx, tx, a.VolumeID)
		}
		return err
	})
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if a.Status != Reserved && v.Host != "" {
		h, err := f.s.host(v.Host)
		if err == nil {
			err = gone(h.UnexportVolume(ctx, v.ref(), a.ID))
		}
		if err != nil && !force {
			return err
		}
	}
	return f.s.write(ctx, func(tx *store.Tx) error {
		if err := gone(f.s.tables.Attachments.Delete(ctx, tx, a.ID)); err != nil {
			return err
		}
		return gone(f.resettleIdle(ctx, tx, a.VolumeID, force))
	})
}

// resettleIdle is resettle for a volume that may meanwhile be busy with something
// else. Force also ends the error that an administrator has set.
func (f *Attachments) resettleIdle(ctx context.Context, tx *store.Tx, volumeID string, force bool) error {
	v, err := f.s.tables.Volumes.Get(ctx, tx, volumeID)
	if err != nil {
		return err
	}
	if !slices.Contains([]string{InUse, Reserved, Attaching, Detaching, Available, "error_detaching"}, v.Status) && (!force || v.Status != Error) {
		return nil
	}
	v.settle()
	return f.s.save(ctx, tx, v)
}

// Release ends an attachment for another part of the cloud. What is gone is released.
func (f *Attachments) Release(ctx context.Context, id string) error { return f.drop(ctx, id, false) }

package volume

import (
	"context"
	"slices"
	"strings"

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
	if errs.Is(err, errs.NotFound) {
		return nil, attachmentNotFound(id)
	}
	if err != nil {
		return nil, err
	}
	return a, f.may(ctx, rule, a)
}

// may refuses an actor who may not know of an attachment, or not do what the rule names.
func (f *Attachments) may(ctx context.Context, rule string, a *Attachment) error {
	if !f.s.sees(ctx, a.ProjectID) && !f.s.inside(ctx) {
		return attachmentNotFound(a.ID)
	}
	return f.s.policy.Check(ctx, rule, a.target())
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
	ofServer                 bool
}

// Create reserves a volume, and connects it if the client says where it is.
func (f *Attachments) Create(ctx context.Context, n NewAttachment) (a *Attachment, err error) {
	err = f.s.write(ctx, func(tx *store.Tx) (err error) {
		a, err = f.reserveTx(ctx, tx, n)
		return err
	})
	if err != nil || len(n.Connector) == 0 {
		return a, err
	}
	made, err := f.connectAs(ctx, a.ID, "volume:attachment_create", n.Connector)
	if err != nil {
		f.giveUp(ctx, a.ID)
		return nil, err
	}
	return made, nil
}

// giveUp removes an attachment that did not come to be.
func (f *Attachments) giveUp(ctx context.Context, id string) {
	if _, err := f.drop(context.WithoutCancel(ctx), id, true); err != nil {
		f.s.log.Warn("an attachment is left", "attachment", id, "error", err)
	}
}

// reserveTx makes an attachment that waits for its client to connect. The volume
// is nobody else's from then on.
func (f *Attachments) reserveTx(ctx context.Context, tx *store.Tx, n NewAttachment) (*Attachment, error) {
	v, err := f.s.Volumes.get(ctx, tx, "volume:attachment_create", n.VolumeID)
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
	if err := f.s.Volumes.frozen(ctx, tx, v.Host); err != nil {
		return nil, err
	}
	if v.Multiattach && v.Bootable && len(v.Attachments) > 0 {
		if err := f.s.policy.Check(ctx, "volume:multiattach_bootable_volume", v.target()); err != nil {
			return nil, err
		}
	}
	a := &Attachment{
		ID: n.ID, VolumeID: v.ID, ProjectID: v.ProjectID, InstanceID: n.InstanceID, Mountpoint: n.Mountpoint, Mode: n.Mode, Status: Reserved,
		New: true, OfServer: n.ofServer, CreatedAt: f.s.now(),
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
	return a, f.s.Volumes.save(ctx, tx, v)
}

// Update gives an attachment its connector, and the connection to it.
func (f *Attachments) Update(ctx context.Context, id string, connector map[string]any) (*Attachment, error) {
	return f.connectAs(ctx, id, "volume:attachment_update", connector)
}

// connectAs connects the client that a connector describes.
func (f *Attachments) connectAs(ctx context.Context, id, rule string, connector map[string]any) (*Attachment, error) {
	return f.connect(ctx, id, func(a *Attachment, v *Volume) error {
		if err := f.may(ctx, rule, a); err != nil {
			return err
		}
		if strings.Contains(v.Status, Error) {
			return errs.New(errs.Conflict, "Volume attachments can not be updated if the volume is in an error state. The Volume %s currently has a status of: %s", v.ID, v.Status)
		}
		a.connector(connector)
		return nil
	})
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

// Complete says that the client has the volume.
func (f *Attachments) Complete(ctx context.Context, id string) error {
	return f.s.write(ctx, func(tx *store.Tx) error {
		a, err := f.get(ctx, tx, "volume:attachment_complete", id)
		if err != nil {
			return err
		}
		return f.completeTx(ctx, tx, a)
	})
}

func (f *Attachments) completeTx(ctx context.Context, tx *store.Tx, a *Attachment) error {
	a.Status, a.AttachedAt, a.UpdatedAt = Attached, f.s.now(), f.s.now()
	if err := f.s.tables.Attachments.Update(ctx, tx, a); err != nil {
		return err
	}
	return f.s.Volumes.restate(ctx, tx, a.VolumeID)
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
	if err != nil {
		return nil, err
	}
	return f.drop(ctx, id, false)
}

// mayEnd refuses to detach behind a server's back: its host would go on with a
// device whose bytes are somebody else's.
func (f *Attachments) mayEnd(ctx context.Context, a *Attachment) error {
	if f.s.inside(ctx) || !a.OfServer {
		return nil
	}
	return errs.New(errs.Conflict, "Detach volume from instance %s using the Compute API", a.InstanceID)
}

// drop ends an export and then forgets the attachment; those that the volume still
// has are returned. With force it is forgotten although its host does not answer.
func (f *Attachments) drop(ctx context.Context, id string, force bool) (rest []*Attachment, err error) {
	a, v, err := f.find(ctx, id)
	if err != nil {
		return nil, gone(err)
	}
	if a.Status != Reserved && v.Host != "" {
		if err := f.s.Attachments.unexport(ctx, v, a.ID); err != nil && !force {
			return nil, err
		}
	}
	err = f.s.write(ctx, func(tx *store.Tx) (err error) {
		if err := gone(f.s.tables.Attachments.Delete(ctx, tx, a.ID)); err != nil {
			return err
		}
		if force {
			if err := f.forgive(ctx, tx, a.VolumeID); err != nil {
				return gone(err)
			}
		}
		if err := gone(f.s.Volumes.restate(ctx, tx, a.VolumeID)); err != nil {
			return err
		}
		rest, err = f.s.tables.Attachments.All(ctx, tx, store.Eq("volume_id", a.VolumeID))
		return err
	})
	return rest, err
}

// forgive ends the error that an administrator has set.
func (f *Attachments) forgive(ctx context.Context, tx *store.Tx, volumeID string) error {
	v, err := f.s.tables.Volumes.Get(ctx, tx, volumeID)
	if err != nil || v.Status != Error {
		return err
	}
	v.Status = Available
	return f.s.Volumes.save(ctx, tx, v)
}

package volume

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Transfers give volumes to other projects.
type Transfers struct{ s *Service }

func (t *Transfer) target() policy.Target { return policy.Target{"project_id": t.SourceProject} }

// get reads a transfer for its source project. Who has its key finds it, too.
func (f *Transfers) get(ctx context.Context, tx *store.Tx, rule, id string) (*Transfer, error) {
	t, err := f.s.tables.Transfers.Get(ctx, tx, id)
	if err == nil && (!f.s.sees(ctx, t.SourceProject) || t.Accepted) || errs.Is(err, errs.NotFound) {
		return nil, transferNotFound(id)
	}
	if err != nil {
		return nil, err
	}
	return t, f.s.policy.Check(ctx, rule, t.target())
}

// List lists transfers that wait.
func (f *Transfers) List(ctx context.Context, q store.Query) (page store.Page[Transfer], err error) {
	if err := f.s.Check(ctx, "volume:get_all_transfers"); err != nil {
		return page, err
	}
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		page, err = f.s.tables.Transfers.List(ctx, tx, f.s.scope(ctx, q, "source_project_id").Within(store.Eq("accepted", false)))
		return err
	})
	return page, err
}

// Show returns a transfer.
func (f *Transfers) Show(ctx context.Context, id string) (t *Transfer, err error) {
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		t, err = f.get(ctx, tx, "volume:get_transfer", id)
		return err
	})
	return t, err
}

// NewTransfer offers a volume, with its snapshots unless it says otherwise.
type NewTransfer struct {
	VolumeID, Name string
	NoSnapshots    bool
}

// Create offers a volume to whoever shows the key that the answer has.
func (f *Transfers) Create(ctx context.Context, n NewTransfer) (t *Transfer, err error) {
	key, salt := make([]byte, 8), make([]byte, 8)
	for _, b := range [][]byte{key, salt} {
		if _, err := rand.Read(b); err != nil {
			return nil, err
		}
	}
	err = f.s.write(ctx, func(tx *store.Tx) error {
		v, err := f.s.Volumes.get(ctx, tx, "volume:create_transfer", n.VolumeID)
		if err != nil {
			return err
		}
		switch {
		case v.Status != Available:
			return invalid("status must be available")
		case v.EncryptionKeyID != "":
			return invalid("transferring encrypted volume is not supported")
		case v.GroupID != "":
			return invalid("Volume %s must not be part of a group to be transferred.", v.ID)
		}
		if !n.NoSnapshots {
			snaps, err := f.s.tables.Snapshots.All(ctx, tx, store.Eq("volume_id", v.ID))
			if err != nil {
				return err
			}
			for _, p := range snaps {
				if p.Status != Available {
					return errs.New(errs.Invalid, "Invalid snapshot: snapshot: %s status must be available", p.ID)
				}
				if p.GroupSnapshotID != "" {
					return errs.New(errs.Invalid, "Invalid snapshot: snapshot %s is part of a group snapshot", p.ID)
				}
			}
		}
		t = &Transfer{
			ID: ids.New(), VolumeID: v.ID, Name: n.Name, SourceProject: v.ProjectID, NoSnapshots: n.NoSnapshots, CreatedAt: f.s.now(),
			Salt: hex.EncodeToString(salt), AuthKey: hex.EncodeToString(key),
		}
		t.Hash = keyHash(t.Salt, t.AuthKey)
		audit.Created(ctx, t.ID)
		v.PreviousStatus, v.Status = v.Status, AwaitingTransfer
		if err := f.s.Volumes.save(ctx, tx, v); err != nil {
			return err
		}
		return f.s.tables.Transfers.Insert(ctx, tx, t)
	})
	return t, err
}

func keyHash(salt, key string) string {
	m := hmac.New(sha256.New, []byte(salt))
	m.Write([]byte(key))
	return hex.EncodeToString(m.Sum(nil))
}

// Delete withdraws an offer.
func (f *Transfers) Delete(ctx context.Context, id string) error {
	return f.s.write(ctx, func(tx *store.Tx) error {
		t, err := f.get(ctx, tx, "volume:delete_transfer", id)
		if err != nil {
			return err
		}
		v, err := f.s.tables.Volumes.Get(ctx, tx, t.VolumeID)
		if err != nil {
			return err
		}
		if v.Status == AwaitingTransfer {
			v.Status = Available
			if err := f.s.Volumes.save(ctx, tx, v); err != nil {
				return err
			}
		}
		return f.s.tables.Transfers.Delete(ctx, tx, id)
	})
}

// Accept takes a volume over into the actor's project. Who does not know the key
// learns nothing, not even whether there is such a transfer.
func (f *Transfers) Accept(ctx context.Context, id, key string) (t *Transfer, err error) {
	if err := f.s.Check(ctx, "volume:accept_transfer"); err != nil {
		return nil, err
	}
	err = f.s.write(ctx, func(tx *store.Tx) (err error) {
		t, err = f.s.tables.Transfers.Get(ctx, tx, id)
		if errs.Is(err, errs.NotFound) || err == nil && t.Accepted {
			return transferNotFound(id)
		}
		if err != nil {
			return err
		}
		if !hmac.Equal([]byte(keyHash(t.Salt, key)), []byte(t.Hash)) {
			return errs.New(errs.Invalid, "Invalid auth key: Attempt to transfer %s with invalid auth key.", id)
		}
		v, err := f.s.tables.Volumes.Get(ctx, tx, t.VolumeID)
		if err != nil {
			return err
		}
		if v.Status != AwaitingTransfer {
			return invalid("Transfer %s: Volume id %s expected in awaiting-transfer state.", id, v.ID)
		}
		kind, err := f.s.parts.typeByID(ctx, tx, v.TypeID)
		if err != nil {
			return err
		}
		if v.TypeID != "" {
			if _, err := f.s.parts.typeOf(ctx, tx, v.TypeID); errs.Is(err, errs.NotFound) {
				return invalid("Volume type %s is not one that this project may use.", v.TypeID)
			} else if err != nil {
				return err
			}
		}
		return f.move(ctx, tx, t, v, kind)
	})
	return t, err
}

func (f *Transfers) move(ctx context.Context, tx *store.Tx, t *Transfer, v *Volume, kind *Type) error {
	who := actor.From(ctx)
	snaps, err := f.s.tables.Snapshots.All(ctx, tx, store.Eq("volume_id", v.ID))
	if err != nil {
		return err
	}
	if t.NoSnapshots {
		snaps = nil
	}
	d := Demand{Project: who.ProjectID, Type: kind.Name, Volumes: 1, Snapshots: len(snaps), GiB: v.SizeGiB, PerVolume: v.SizeGiB}
	for _, p := range snaps {
		d.GiB += p.SizeGiB
	}
	if err := f.s.parts.spend(ctx, tx, d); err != nil {
		return err
	}
	for _, p := range snaps {
		p.ProjectID, p.UserID = who.ProjectID, who.UserID
		if err := f.s.Snapshots.save(ctx, tx, p); err != nil {
			return err
		}
	}
	v.ProjectID, v.UserID, v.Status = who.ProjectID, who.UserID, Available
	if err := f.s.Volumes.save(ctx, tx, v); err != nil {
		return err
	}
	t.Accepted, t.DestinationProject = true, who.ProjectID
	return f.s.tables.Transfers.Update(ctx, tx, t)
}

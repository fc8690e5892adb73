package fake

import (
	"context"
	"maps"
	"slices"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// UploadVolume sends the bytes as a raw disk, whatever the format is to be.
func (h *Host) UploadVolume(ctx context.Context, u *hostapi.VolumeUpload) error {
	h.mu.Lock()
	v, err := h.find(u.VolumeRef)
	if err != nil {
		h.mu.Unlock()
		return err
	}
	bytes := v.content.clone()
	h.mu.Unlock()
	size := max(bytes.end(), block)
	for at := int64(0); at < size; at += block {
		data := make([]byte, block)
		bytes.read(data, at)
		if err := h.cfg.Control.WriteImage(ctx, hostapi.ImageWrite{ImageID: u.ImageID, Offset: at, Data: data}); err != nil {
			return err
		}
	}
	return h.cfg.Control.WriteImage(ctx, hostapi.ImageWrite{ImageID: u.ImageID, Offset: size, Size: size, Done: true})
}

// BackupVolume sends the bytes, or those that differ from an older backup.
func (h *Host) BackupVolume(ctx context.Context, b *hostapi.VolumeBackup) (*hostapi.VolumeBackupMade, error) {
	h.mu.Lock()
	now, sizeGiB, err := h.source(b)
	before, known := h.backups[b.Since]
	h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	made := &hostapi.VolumeBackupMade{Full: b.Since == "" || !known}
	blocks := maps.Clone(now)
	if made.Full {
		before = content{}
	}
	maps.Copy(blocks, before)
	for _, at := range slices.Sorted(maps.Keys(blocks)) {
		if now[at] == before[at] { // blocks are never changed
			continue
		}
		w := hostapi.BackupWrite{BackupID: b.BackupID, Offset: at * block, Length: block}
		if data := now[at]; data != nil {
			w.Data = data[:]
			made.Bytes += block
		} else {
			w.Zero = true
		}
		if err := h.cfg.Control.WriteBackup(ctx, w); err != nil {
			return nil, err
		}
	}
	h.mu.Lock()
	h.backups[b.BackupID] = now
	h.mu.Unlock()
	return made, h.cfg.Control.WriteBackup(ctx, hostapi.BackupWrite{BackupID: b.BackupID, Offset: int64(sizeGiB) << 30, Done: true})
}

// source needs the lock.
func (h *Host) source(b *hostapi.VolumeBackup) (content, int, error) {
	if b.SnapshotID != "" {
		v, at, err := h.snapshot(hostapi.VolumeSnapshotRef{VolumeRef: b.VolumeRef, SnapshotID: b.SnapshotID})
		if err != nil {
			return nil, 0, err
		}
		return v.snapshots[at].content.clone(), v.snapshots[at].sizeGiB, nil
	}
	v, err := h.find(b.VolumeRef)
	if err != nil {
		return nil, 0, err
	}
	return v.content.clone(), v.sizeGiB, nil
}

// RestoreVolume writes backups into a volume, oldest first.
func (h *Host) RestoreVolume(ctx context.Context, r *hostapi.VolumeRestore) error {
	out := content{}
	for _, id := range r.Backups {
		for at := int64(0); ; {
			part, err := h.cfg.Control.ReadBackup(ctx, hostapi.BackupRead{BackupID: id, Offset: at})
			if err != nil {
				return err
			}
			if part.Done {
				break
			}
			if part.Zero {
				part.Data = make([]byte, part.Length)
			}
			out.write(part.Data, part.Offset)
			at = part.Offset + part.Length
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.find(r.VolumeRef)
	switch {
	case err != nil:
		return err
	case len(v.clients) > 0:
		return errs.New(errs.Conflict, "The volume is exported to %d clients.", len(v.clients))
	case out.end() > int64(v.sizeGiB)<<30:
		return errs.New(errs.Invalid, "A volume of %d GiB cannot hold the backup's %d bytes.", v.sizeGiB, out.end())
	}
	v.content = out
	return nil
}

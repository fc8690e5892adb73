// Package backendtest judges hosts of volumes: every backend passes it.
package backendtest

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"sync"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// Control plays the control plane: images and backups in memory.
type Control struct {
	mu      sync.Mutex
	images  map[string][]byte
	done    map[string]bool
	backups map[string][]hostapi.BackupWrite
}

var _ hostapi.VolumeControl = (*Control)(nil)

// NewControl has no images yet.
func NewControl() *Control {
	return &Control{images: map[string][]byte{}, done: map[string]bool{}, backups: map[string][]hostapi.BackupWrite{}}
}

// AddImage offers a raw image.
func (c *Control) AddImage(id string, data []byte) *hostapi.RootDisk {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.images[id], c.done[id] = data, true
	sum := sha512.Sum512(data)
	return &hostapi.RootDisk{ImageID: id, DiskFormat: "raw", ImageBytes: int64(len(data)), SHA512: hex.EncodeToString(sum[:])}
}

// Image is an image that is complete.
func (c *Control) Image(id string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.done[id] {
		return nil
	}
	return c.images[id]
}

// Backup are the parts of a backup that is complete.
func (c *Control) Backup(id string) []hostapi.BackupWrite {
	c.mu.Lock()
	defer c.mu.Unlock()
	if parts := c.backups[id]; len(parts) > 0 && parts[len(parts)-1].Done {
		return parts[:len(parts)-1]
	}
	return nil
}

// ReadImage reads a part of an image.
func (c *Control) ReadImage(_ context.Context, id string, offset int64, length int) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	data, ok := c.images[id]
	if !ok || offset > int64(len(data)) {
		return nil, errs.New(errs.NotFound, "No image %s.", id)
	}
	return data[offset:min(offset+int64(length), int64(len(data)))], nil
}

// WriteImage takes a part of an image; the first begins it anew.
func (c *Control) WriteImage(_ context.Context, w hostapi.ImageWrite) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case w.Abort != "":
		delete(c.images, w.ImageID)
		return nil
	case w.Done:
		c.done[w.ImageID] = true
		return nil
	case w.Offset == 0:
		c.images[w.ImageID] = nil
	}
	data := c.images[w.ImageID]
	if w.Offset != int64(len(data)) {
		return errs.New(errs.Conflict, "A part at %d, where %d is next.", w.Offset, len(data))
	}
	c.images[w.ImageID] = append(data, w.Data...)
	return nil
}

// WriteBackup takes a part of a backup; one at or before the first begins it anew.
func (c *Control) WriteBackup(_ context.Context, w hostapi.BackupWrite) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	parts := c.backups[w.BackupID]
	switch n := len(parts); {
	case len(w.Data) > hostapi.MaxChunk || !w.Done && !w.Zero && int64(len(w.Data)) != w.Length:
		return errs.New(errs.Invalid, "A part of %d bytes with %d bytes.", w.Length, len(w.Data))
	case n > 0 && w.Offset <= parts[0].Offset:
		parts = nil
	case n > 0 && !w.Done && w.Offset < parts[n-1].Offset+parts[n-1].Length:
		return errs.New(errs.Conflict, "A part at %d, where %d is next.", w.Offset, parts[n-1].Offset+parts[n-1].Length)
	}
	w.Data = append([]byte(nil), w.Data...)
	c.backups[w.BackupID] = append(parts, w)
	return nil
}

// ReadBackup finds the next part of a backup.
func (c *Control) ReadBackup(_ context.Context, r hostapi.BackupRead) (*hostapi.BackupWrite, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.backups[r.BackupID] {
		if w.Done || w.Offset >= r.Offset {
			return &w, nil
		}
	}
	return nil, errs.New(errs.NotFound, "No backup %s.", r.BackupID)
}

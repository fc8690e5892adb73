package volumetest

import (
	"context"
	"sync"

	"kumoi/internal/hostapi"
	"kumoi/internal/image"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Images are an image service in memory.
type Images struct {
	mu     sync.Mutex
	images map[string]*image.Image
	data   map[string][]byte
}

// Add adds an image that everybody sees, with raw bytes.
func (i *Images) Add(id string, data []byte, change func(*image.Image)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	size := int64(len(data))
	img := &image.Image{
		ID: id, Name: "image " + id, Status: image.Active, Visibility: image.Public, DiskFormat: "raw", ContainerFormat: "bare",
		Size: &size, VirtualSize: &size, Properties: map[string]string{},
	}
	if change != nil {
		change(img)
	}
	if i.data == nil {
		i.data = map[string][]byte{}
	}
	i.images[id], i.data[id] = img, data
}

// Show is an image that the actor may see.
func (i *Images) Show(ctx context.Context, id string) (*image.Image, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	img := i.images[id]
	if img == nil || img.Visibility != image.Public && img.Owner != actor.From(ctx).ProjectID && actor.From(ctx).System == "" {
		return nil, errs.New(errs.NotFound, "No image found with ID %s", id)
	}
	c := *img
	return &c, nil
}

// CreateSnapshot makes an image that a host will fill.
func (i *Images) CreateSnapshot(ctx context.Context, _ *store.Tx, n image.Snapshot) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.images[n.ID] = &image.Image{
		ID: n.ID, Name: n.Name, Status: image.Queued, Visibility: image.Private, Owner: actor.From(ctx).ProjectID,
		DiskFormat: n.DiskFormat, ContainerFormat: n.ContainerFormat, Properties: n.Properties,
	}
	return nil
}

// Delete removes an image.
func (i *Images) Delete(_ context.Context, id string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.images, id)
	return nil
}

// Data is what hosts have uploaded, or what Add was given.
func (i *Images) Data(id string) []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.data[id]
}

// control answers hosts.
type control struct{ c *Cloud }

func (c control) ReadImage(_ context.Context, id string, offset int64, length int) ([]byte, error) {
	data := c.c.Images.Data(id)
	from := min(offset, int64(len(data)))
	return data[from:min(from+int64(length), int64(len(data)))], nil
}

func (c control) WriteImage(_ context.Context, w hostapi.ImageWrite) error {
	i := c.c.Images
	i.mu.Lock()
	defer i.mu.Unlock()
	img := i.images[w.ImageID]
	if img == nil {
		return errs.New(errs.NotFound, "No image found with ID %s", w.ImageID)
	}
	if i.data == nil {
		i.data = map[string][]byte{}
	}
	i.data[w.ImageID] = append(i.data[w.ImageID][:min(w.Offset, int64(len(i.data[w.ImageID])))], w.Data...)
	if size := int64(len(i.data[w.ImageID])); w.Done {
		img.Status, img.Size = image.Active, &size
	}
	return nil
}

func (c control) WriteBackup(ctx context.Context, w hostapi.BackupWrite) error {
	return c.c.Svc.Backups.Write(actor.AsSystem(ctx, "host"), w)
}

func (c control) ReadBackup(ctx context.Context, r hostapi.BackupRead) (*hostapi.BackupWrite, error) {
	return c.c.Svc.Backups.Read(actor.AsSystem(ctx, "host"), r)
}

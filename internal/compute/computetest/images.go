package computetest

import (
	"context"
	"sync"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Images is an image service in memory.
type Images struct {
	mu   sync.Mutex
	list map[string]*compute.Image
	data map[string][]byte
}

// NewImages has one active, public image with the given id.
func NewImages(id string) *Images {
	return &Images{data: map[string][]byte{}, list: map[string]*compute.Image{id: {
		ID: id, Name: "cirros", Status: "active", Visibility: "public", Size: new(int64(1 << 20)), DiskFormat: "qcow2", ContainerFormat: "bare",
		Properties: map[string]string{"hw_disk_bus": "virtio"},
	}}}
}

// Put adds or replaces an image.
func (s *Images) Put(i *compute.Image) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list[i.ID] = i
}

// Count tells how many images there are.
func (s *Images) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.list)
}

// Show finds a visible image.
func (s *Images) Show(ctx context.Context, id string) (*compute.Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.list[id]
	a := actor.From(ctx)
	if !ok || i.Visibility != "public" && i.Owner != a.ProjectID && a.System == "" {
		return nil, errs.New(errs.NotFound, "No image found with ID %s", id)
	}
	c := *i
	return &c, nil
}

// CreateSnapshot makes a queued image once the transaction is committed.
func (s *Images) CreateSnapshot(ctx context.Context, tx *store.Tx, n compute.NewImage) error {
	owner := actor.From(ctx).ProjectID
	tx.AfterCommit(func() {
		s.Put(&compute.Image{ID: n.ID, Name: n.Name, Status: "queued", Owner: owner, DiskFormat: n.DiskFormat, Properties: n.Properties})
	})
	return nil
}

// Delete removes an image.
func (s *Images) Delete(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.list[id]; !ok {
		return errs.New(errs.NotFound, "No image found with ID %s", id)
	}
	delete(s.list, id)
	return nil
}

// DeleteTx removes an image once the transaction is committed.
func (s *Images) DeleteTx(ctx context.Context, tx *store.Tx, id string) error {
	if _, err := s.Show(ctx, id); err != nil {
		return err
	}
	tx.AfterCommit(func() { _ = s.Delete(ctx, id) })
	return nil
}

// ListBackups lists a project's backups of a server; the order is not kept.
func (s *Images) ListBackups(_ context.Context, owner, serverID, kind string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for id, i := range s.list {
		if i.Owner == owner && i.Properties["instance_uuid"] == serverID && i.Properties["backup_type"] == kind {
			out = append(out, id)
		}
	}
	return out, nil
}

// ReadImage reads a part of an image's data.
func (s *Images) ReadImage(_ context.Context, id string, offset int64, length int) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.data[id]
	if offset >= int64(len(d)) {
		return nil, nil
	}
	return d[offset:min(int64(len(d)), offset+int64(length))], nil
}

// WriteImage appends to an image; done makes it active.
func (s *Images) WriteImage(_ context.Context, id string, _ int64, data []byte, done bool, abort string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.list[id]
	if !ok {
		return errs.New(errs.NotFound, "No image found with ID %s", id)
	}
	s.data[id] = append(s.data[id], data...)
	if done && abort == "" {
		c := *i
		c.Status, c.Size = "active", new(int64(len(s.data[id])))
		s.list[id] = &c
	}
	return nil
}

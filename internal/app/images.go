package app

import (
	"cmp"
	"context"
	"io"
	"sync"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/identity"
	"kumoi/internal/image"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// computeImages is the image service as compute wants it.
type computeImages struct{ *image.Service }

var _ compute.Images = computeImages{}

func (c computeImages) Image(ctx context.Context, id string) (*compute.Image, error) {
	img, err := c.Show(ctx, id)
	if err != nil {
		return nil, err
	}
	return computeImage(img), nil
}

func (c computeImages) CreateSnapshot(ctx context.Context, tx *store.Tx, n compute.NewImage) error {
	attributes := map[string]any{
		"id": n.ID, "name": n.Name, "disk_format": n.DiskFormat, "container_format": n.ContainerFormat,
		"min_disk": n.MinDiskGiB, "min_ram": n.MinRAMMiB, "visibility": string(image.Private),
	}
	for k, v := range n.Properties {
		if _, base := attributes[k]; !base {
			attributes[k] = v
		}
	}
	_, err := c.CreateTx(ctx, tx, attributes)
	return err
}

func (c computeImages) DeleteImage(ctx context.Context, id string) error { return c.Delete(ctx, id) }

func (c computeImages) DeleteImageTx(ctx context.Context, tx *store.Tx, id string) error {
	return c.DeleteTx(ctx, tx, id)
}

func (c computeImages) ListBackups(ctx context.Context, owner, serverID, kind string) ([]string, error) {
	page, err := c.List(ctx, store.Query{Limit: 1000, Where: []store.Cond{
		store.Eq("owner", owner), property("image_type", "backup"), property("backup_type", kind), property("instance_uuid", serverID),
	}})
	ids := make([]string, len(page.Rows))
	for i, img := range page.Rows {
		ids[i] = img.ID
	}
	return ids, err
}

func property(name, value string) store.Cond { return store.Is("property", []any{name, value}) }

// imageLimits are identity's unified limits as the image service wants them.
type imageLimits struct {
	identity *identity.Service
	region   string
}

var _ image.Limits = imageLimits{}

func (l imageLimits) Limits(ctx context.Context, tx *store.Tx, projectID string) (map[string]int64, error) {
	return l.identity.Allowances(ctx, tx, "image", l.region, projectID)
}

// imageRegions finds other regions' image services in identity's catalogue.
type imageRegions struct {
	identity *identity.Service
	db       *store.DB
	own      string
}

var _ image.Regions = imageRegions{}

func (r imageRegions) ImageEndpoint(ctx context.Context, region, iface string) (url string, local bool, err error) {
	if region == r.own {
		return "", true, nil
	}
	err = r.db.Read(ctx, func(tx *store.Tx) (err error) {
		url, err = r.identity.RegionEndpoint(ctx, tx, "image", region, cmp.Or(iface, "public"))
		return err
	})
	return url, false, err
}

// imageData moves images' bytes between the image service and hosts. Reads are
// independent of each other; writes of one image come in order and flow into
// one upload, which ends with its last part.
type imageData struct {
	images *image.Service
	mu     sync.Mutex
	open   map[string]*incoming
}

func newImageData(images *image.Service) *imageData {
	return &imageData{images: images, open: map[string]*incoming{}}
}

var _ compute.ImageData = (*imageData)(nil)

// incoming is an upload that a host feeds.
type incoming struct {
	mu      sync.Mutex
	pipe    *io.PipeWriter
	written int64
	idle    *time.Timer
	done    chan struct{}
	err     error
}

// incomingIdle is how long a host may be silent in the middle of an upload.
const incomingIdle = 2 * time.Minute

func (d *imageData) ReadImage(ctx context.Context, id string, offset int64, length int) ([]byte, error) {
	data, err := d.images.OpenData(ctx, id)
	if err != nil {
		return nil, err
	}
	defer data.Close()
	n := min(int64(length), data.Size()-offset)
	if n <= 0 {
		return []byte{}, nil
	}
	b := make([]byte, n)
	if _, err := data.ReadAt(b, offset); err != nil && err != io.EOF { //nolint:errorlint // ReaderAt's contract
		return nil, err
	}
	return b, nil
}

func (d *imageData) WriteImage(ctx context.Context, id string, offset int64, b []byte, done bool, abort string) error {
	in := d.incoming(ctx, id)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.idle.Reset(incomingIdle)
	if abort != "" {
		in.pipe.CloseWithError(errs.New(errs.Unavailable, "The host gave up: %s", abort))
		<-in.done
		return nil
	}
	if skip := in.written - offset; skip > 0 { // a part that was sent again
		b = b[min(skip, int64(len(b))):]
	} else if skip < 0 {
		return errs.New(errs.Conflict, "Image %s: a part at %d, where %d is next.", id, offset, in.written)
	}
	if len(b) > 0 {
		n, err := in.pipe.Write(b)
		in.written += int64(n)
		if err != nil {
			<-in.done
			return in.err
		}
	}
	if !done {
		return nil
	}
	in.pipe.Close()
	<-in.done
	return in.err
}

// incoming returns the image's upload, begun if there is none.
func (d *imageData) incoming(ctx context.Context, id string) *incoming {
	d.mu.Lock()
	defer d.mu.Unlock()
	if in, ok := d.open[id]; ok {
		return in
	}
	r, w := io.Pipe()
	in := &incoming{pipe: w, done: make(chan struct{})}
	in.idle = time.AfterFunc(incomingIdle, func() { w.CloseWithError(errs.New(errs.Unavailable, "The host fell silent.")) })
	d.open[id] = in
	go func() {
		defer close(in.done)
		in.err = d.images.Upload(actor.AsSystem(context.WithoutCancel(ctx), "compute"), id, r, -1, "")
		r.CloseWithError(in.err)
		in.idle.Stop()
		d.mu.Lock()
		delete(d.open, id)
		d.mu.Unlock()
	}()
	return in
}

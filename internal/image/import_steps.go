package image

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"kumoi/internal/diskimage"
	"kumoi/internal/image/webget"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

const fetchTimeout = 24 * time.Hour

// fetch brings the data into the staging area.
func (f *Imports) fetch(ctx context.Context, st *importState) error {
	if _, err := os.Stat(f.s.Uploads.staged(st.ImageID)); err == nil {
		return nil // fetched before a crash
	}
	var body io.ReadCloser
	var size int64
	var err error
	switch st.Method {
	case "web-download":
		if _, err = f.webRules().Check(st.URI); err == nil {
			body, size, err = webget.Get(ctx, f.webRules().Client(), st.URI, nil)
		}
	case "glance-download":
		body, size, err = f.openRemote(ctx, st)
	default:
		err = fmt.Errorf("import method %q", st.Method)
	}
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = f.s.Uploads.writeStaged(ctx, st.ImageID, body, size)
	if err != nil && errs.KindOf(err) == errs.Internal {
		err = errs.Wrap(errs.Unavailable, err, "The data could not be read to its end.")
	}
	return err
}

func (f *Imports) unstage(_ context.Context, st *importState) error {
	f.s.Uploads.dropStaged(st.ImageID)
	return nil
}

// prepare unpacks, inspects and converts the staged data, in this order:
// what comes out of a decompressor is as little trusted as what goes in.
func (f *Imports) prepare(ctx context.Context, st *importState) error {
	img, err := f.s.Images.get(ctx, st.ImageID)
	if err != nil {
		return err
	}
	if st.DiskFormat != "" { // what another region says of its image
		img.DiskFormat, img.ContainerFormat = st.DiskFormat, st.ContainerFormat
	}
	if st.Properties == nil {
		st.Properties = map[string]string{}
	}
	if !f.s.policy.Allowed(ctx, "context_is_admin", nil) {
		for k, v := range f.s.cfg.Inject {
			st.Properties[k] = v
		}
	}
	path := f.s.Uploads.staged(st.ImageID)
	if f.s.cfg.Decompress && img.ContainerFormat == "bare" {
		if err := f.unpack(ctx, path); err != nil {
			return err
		}
	}
	rep, err := f.judgeFile(img, path)
	if err != nil {
		return err
	}
	st.VirtualSize = rep.VirtualSize
	if to := f.s.cfg.Convert; to != "" && to != img.DiskFormat && img.ContainerFormat == "bare" && diskimage.Can(rep.Format) && rep.Format == img.DiskFormat {
		if rep, err = f.convert(ctx, img, path, rep); err != nil {
			return err
		}
		st.DiskFormat, st.ContainerFormat, st.VirtualSize = to, img.ContainerFormat, rep.VirtualSize
	}
	return nil
}

func (f *Imports) judgeFile(img *Image, path string) (*diskimage.Report, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, errs.Wrap(errs.Conflict, err, "The staged data of image %s is gone; stage it again.", img.ID)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return f.s.Uploads.judge(img, file, info.Size())
}

// unpack replaces gzip data by what is in it.
func (f *Imports) unpack(ctx context.Context, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	head := make([]byte, 6)
	if _, err := file.ReadAt(head, 0); err != nil || diskimage.Compression(head) != "gzip" {
		return nil //nolint:nilerr // too short to be compressed
	}
	z, err := gzip.NewReader(file)
	if err != nil {
		return errs.Wrap(errs.MediaType, err, "The compressed image data is broken.")
	}
	out, err := os.OpenFile(path+".out", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err = io.Copy(out, &bounded{ctx: ctx, r: z, left: f.s.cfg.SizeCap}); err == nil {
		err = out.Sync()
	}
	if err == nil {
		return os.Rename(path+".out", path)
	}
	os.Remove(path + ".out")
	if errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errs.Wrap(errs.MediaType, err, "The compressed image data is broken.")
	}
	return diskError(err)
}

// convert turns the staged data into the operator's format and judges
// the result again.
func (f *Imports) convert(ctx context.Context, img *Image, path string, rep *diskimage.Report) (*diskimage.Report, error) {
	out := path + ".out"
	if err := diskimage.Confinement(); err != nil {
		f.s.log.WarnContext(ctx, "images from users are worked on less shut in than they should be", "why", err)
	}
	limits := diskimage.DefaultLimits()
	limits.Size = f.s.cfg.SizeCap
	if err := diskimage.Convert(ctx, []diskimage.Layer{{Path: path, Format: rep.Format}}, diskimage.Layer{Path: out, Format: f.s.cfg.Convert}, limits); err != nil {
		return nil, err
	}
	converted := *img
	converted.DiskFormat = f.s.cfg.Convert
	after, err := f.judgeFile(&converted, out)
	if err != nil {
		return nil, err
	}
	return after, os.Rename(out, path)
}

// store puts the data into each store. A store that fails is left out if
// the request allows it and another one succeeds.
func (f *Imports) store(ctx context.Context, st *importState) error {
	img, err := f.s.Images.get(ctx, st.ImageID)
	if err != nil {
		return err
	}
	st.Stored, st.Failed = nil, nil
	var last error
	for _, id := range st.Stores {
		err := f.into(ctx, img, st, id)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			st.Stored = append(st.Stored, id)
		} else {
			f.s.log.WarnContext(ctx, "import into a store failed", "image_id", st.ImageID, "store", id, "error", err)
			st.Failed, last = append(st.Failed, id), err
			if st.AllMustSucceed {
				return err
			}
		}
		f.showProgress(ctx, st)
	}
	if len(st.Stored) == 0 {
		return last
	}
	return nil
}

// into writes the data to one store, and requires that it is the same
// data in all.
func (f *Imports) into(ctx context.Context, img *Image, st *importState, id string) error {
	to, err := f.s.Stores.writable(id)
	if err != nil {
		return err
	}
	if err := to.Backend.Delete(ctx, to.Backend.URL(st.key(id))); err != nil { // of an attempt before a crash
		return err
	}
	src, size, err := f.source(ctx, img, st)
	if err != nil {
		return err
	}
	defer src.Close()
	check, err := f.s.Uploads.verifier(ctx, img)
	if err != nil {
		return err
	}
	sum, err := f.s.Uploads.put(ctx, to, st.key(id), &bounded{ctx: ctx, r: src, left: f.s.cfg.SizeCap}, size, check)
	if err != nil {
		return err
	}
	if img.HashAlgo == hashAlgo && img.HashValue != "" && st.Method == "copy-image" && sum.hash != img.HashValue {
		return errs.New(errs.Unavailable, "The data that was read is not the image's: its hash differs.")
	}
	if st.Hash != "" && st.Hash != sum.hash {
		return errs.New(errs.Internal, "The data changed between two stores.")
	}
	st.Size, st.Checksum, st.Hash = sum.size, sum.checksum, sum.hash
	f.s.Uploads.dedup(ctx, to, st.key(id), sum.hash)
	return nil
}

// source opens what is to be stored: the image itself when it is copied,
// else the staged data.
func (f *Imports) source(ctx context.Context, img *Image, st *importState) (io.ReadCloser, int64, error) {
	if st.Method == "copy-image" {
		data, err := f.s.Downloads.open(ctx, img, nil)
		if err != nil {
			return nil, 0, err
		}
		r, err := data.Range(ctx, 0, data.Size())
		if err != nil {
			data.Close()
			return nil, 0, err
		}
		return &both{r, data}, data.Size(), nil
	}
	file, err := os.Open(f.s.Uploads.staged(st.ImageID))
	if err != nil {
		return nil, 0, errs.Wrap(errs.Conflict, err, "The staged data of image %s is gone; stage it again.", img.ID)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}

// both closes a stream and what it comes from.
type both struct {
	io.ReadCloser
	below io.Closer
}

func (b *both) Close() error { return errors.Join(b.ReadCloser.Close(), b.below.Close()) }

// showProgress tells on the image which stores are done.
func (f *Imports) showProgress(ctx context.Context, st *importState) {
	var left []string
	for _, id := range st.Stores {
		if !slices.Contains(st.Stored, id) && !slices.Contains(st.Failed, id) {
			left = append(left, id)
		}
	}
	err := f.s.db.Write(ctx, func(tx *store.Tx) error {
		img, err := f.s.tables.Images.Get(ctx, tx, st.ImageID)
		if err != nil || img.Properties[propTask] != st.TaskID {
			return ignoreMissing(err)
		}
		img.Properties[propImporting] = strings.Join(left, ",")
		img.Properties[propFailed] = strings.Join(st.Failed, ",")
		return f.s.Images.save(ctx, tx, img)
	})
	if err != nil {
		f.s.log.WarnContext(ctx, "import's progress not shown", "image_id", st.ImageID, "error", err)
	}
}

// discard leaves what was stored to the reaper, which has the patience
// for a store that is away.
func (f *Imports) discard(ctx context.Context, st *importState) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error { return f.discardImported(ctx, tx, st, st.Stores) })
}

func (f *Imports) discardImported(ctx context.Context, tx *store.Tx, st *importState, stores []string) error {
	for _, id := range stores {
		n, ok := f.s.Stores.named(id)
		if !ok {
			continue
		}
		if err := f.s.Images.discard(ctx, tx, Location{Store: id, URL: n.Backend.URL(st.key(id))}, st.ImageID); err != nil {
			return err
		}
	}
	return nil
}

// done makes the image active with its new locations.
func (f *Imports) done(ctx context.Context, tx *store.Tx, st *importState) error {
	img, err := f.s.tables.Images.Get(ctx, tx, st.ImageID)
	if errs.Is(err, errs.NotFound) {
		return errs.New(errs.Gone, "The image was deleted during its import.")
	}
	if err != nil {
		return err
	}
	for _, id := range st.Stored {
		n, _ := f.s.Stores.named(id)
		img.Locations = append(img.Locations, Location{
			ID: ids.Derive(st.TaskID, id, "location"), Store: id, URL: n.Backend.URL(st.key(id)),
			Status: "active", Metadata: map[string]any{"store": id},
		})
	}
	if st.Method != "copy-image" {
		if st.DiskFormat != "" {
			img.DiskFormat, img.ContainerFormat = st.DiskFormat, st.ContainerFormat
		}
		for k, v := range st.Properties {
			img.Properties[k] = v
		}
		if err := img.setStatus(Active); err != nil {
			return err
		}
		img.Size, img.Checksum, img.HashAlgo, img.HashValue = &st.Size, st.Checksum, hashAlgo, st.Hash
		img.VirtualSize = nil
		if st.VirtualSize >= 0 {
			img.VirtualSize = &st.VirtualSize
		}
		tx.AfterCommit(func() { f.s.Uploads.dropStaged(st.ImageID) })
	}
	f.endProgress(img, st)
	if err := f.s.Images.save(ctx, tx, img); err != nil {
		return err
	}
	if err := f.discardImported(ctx, tx, st, st.Failed); err != nil {
		return err
	}
	f.s.tokens.Delete(st.TaskID)
	return f.s.Tasks.end(ctx, tx, st.TaskID, "success", "", map[string]any{"image_id": st.ImageID})
}

// endProgress takes the marks of the import off the image.
func (f *Imports) endProgress(img *Image, st *importState) {
	delete(img.Properties, propTask)
	img.Properties[propImporting] = ""
	img.Properties[propFailed] = strings.Join(st.Failed, ",")
	img.UpdatedAt = f.s.now()
}

// failed gives the image back as it was before: queued, or still active
// if it was only copied.
func (f *Imports) failed(ctx context.Context, tx *store.Tx, st *importState, cause *errs.Error) error {
	f.s.tokens.Delete(st.TaskID)
	tx.AfterCommit(func() { f.s.Uploads.dropStaged(st.ImageID) })
	message := "The import failed."
	if cause != nil {
		message = cause.Msg
	}
	if err := f.s.Tasks.end(ctx, tx, st.TaskID, "failure", message, nil); err != nil {
		return err
	}
	img, err := f.s.tables.Images.Get(ctx, tx, st.ImageID)
	if err != nil {
		return ignoreMissing(err)
	}
	if img.Status == Importing {
		if err := img.setStatus(Queued); err != nil {
			return err
		}
	}
	st.Failed = st.Stores
	f.endProgress(img, st)
	return f.s.Images.save(ctx, tx, img)
}

// get loads an image for the service itself.
func (f *Images) get(ctx context.Context, id string) (*Image, error) {
	var img *Image
	err := f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		img, err = f.s.tables.Images.Get(ctx, tx, id)
		return err
	})
	if errs.Is(err, errs.NotFound) {
		return nil, notFound(id)
	}
	return img, err
}

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

// importFetch brings the data into the staging area.
func (s *Service) importFetch(ctx context.Context, st *importState) error {
	if _, err := os.Stat(s.staged(st.ImageID)); err == nil {
		return nil // fetched before a crash
	}
	var body io.ReadCloser
	var size int64
	var err error
	switch st.Method {
	case "web-download":
		if _, err = s.webRules().Check(st.URI); err == nil {
			body, size, err = webget.Get(ctx, s.webRules().Client(), st.URI, nil)
		}
	case "glance-download":
		body, size, err = s.openRemote(ctx, st)
	default:
		err = fmt.Errorf("import method %q", st.Method)
	}
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = s.writeStaged(ctx, st.ImageID, body, size)
	if err != nil && errs.KindOf(err) == errs.Internal {
		err = errs.Wrap(errs.Unavailable, err, "The data could not be read to its end.")
	}
	return err
}

func (s *Service) importUnstage(_ context.Context, st *importState) error {
	s.dropStaged(st.ImageID)
	return nil
}

// importPrepare unpacks, inspects and converts the staged data, in this order:
// what comes out of a decompressor is as little trusted as what goes in.
func (s *Service) importPrepare(ctx context.Context, st *importState) error {
	img, err := s.image(ctx, st.ImageID)
	if err != nil {
		return err
	}
	if st.DiskFormat != "" { // what another region says of its image
		img.DiskFormat, img.ContainerFormat = st.DiskFormat, st.ContainerFormat
	}
	if st.Properties == nil {
		st.Properties = map[string]string{}
	}
	if !s.policy.Allowed(ctx, "context_is_admin", nil) {
		for k, v := range s.cfg.Inject {
			st.Properties[k] = v
		}
	}
	path := s.staged(st.ImageID)
	if s.cfg.Decompress && img.ContainerFormat == "bare" {
		if err := s.unpack(ctx, path); err != nil {
			return err
		}
	}
	rep, err := s.judgeFile(img, path)
	if err != nil {
		return err
	}
	st.VirtualSize = rep.VirtualSize
	if to := s.cfg.Convert; to != "" && to != img.DiskFormat && img.ContainerFormat == "bare" && diskimage.Can(rep.Format) && rep.Format == img.DiskFormat {
		if rep, err = s.convertStaged(ctx, img, path, rep); err != nil {
			return err
		}
		st.DiskFormat, st.ContainerFormat, st.VirtualSize = to, img.ContainerFormat, rep.VirtualSize
	}
	return nil
}

func (s *Service) judgeFile(img *Image, path string) (*diskimage.Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errs.Wrap(errs.Conflict, err, "The staged data of image %s is gone; stage it again.", img.ID)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return s.judge(img, f, info.Size())
}

// unpack replaces gzip data by what is in it.
func (s *Service) unpack(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 6)
	if _, err := f.ReadAt(head, 0); err != nil || diskimage.Compression(head) != "gzip" {
		return nil //nolint:nilerr // too short to be compressed
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return errs.Wrap(errs.MediaType, err, "The compressed image data is broken.")
	}
	out, err := os.OpenFile(path+".out", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err = io.Copy(out, &bounded{ctx: ctx, r: z, left: s.cfg.SizeCap}); err == nil {
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

// convertStaged turns the staged data into the operator's format and judges
// the result again.
func (s *Service) convertStaged(ctx context.Context, img *Image, path string, rep *diskimage.Report) (*diskimage.Report, error) {
	out := path + ".out"
	if err := diskimage.Confinement(); err != nil {
		s.log.WarnContext(ctx, "images from users are worked on less shut in than they should be", "why", err)
	}
	limits := diskimage.DefaultLimits()
	limits.Size = s.cfg.SizeCap
	if err := diskimage.Convert(ctx, []diskimage.Layer{{Path: path, Format: rep.Format}}, diskimage.Layer{Path: out, Format: s.cfg.Convert}, limits); err != nil {
		return nil, err
	}
	converted := *img
	converted.DiskFormat = s.cfg.Convert
	after, err := s.judgeFile(&converted, out)
	if err != nil {
		return nil, err
	}
	return after, os.Rename(out, path)
}

// importStore puts the data into each store. A store that fails is left out if
// the request allows it and another one succeeds.
func (s *Service) importStore(ctx context.Context, st *importState) error {
	img, err := s.image(ctx, st.ImageID)
	if err != nil {
		return err
	}
	st.Stored, st.Failed = nil, nil
	var last error
	for _, id := range st.Stores {
		err := s.importInto(ctx, img, st, id)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			st.Stored = append(st.Stored, id)
		} else {
			s.log.WarnContext(ctx, "import into a store failed", "image_id", st.ImageID, "store", id, "error", err)
			st.Failed, last = append(st.Failed, id), err
			if st.AllMustSucceed {
				return err
			}
		}
		s.showProgress(ctx, st)
	}
	if len(st.Stored) == 0 {
		return last
	}
	return nil
}

// importInto writes the data to one store, and requires that it is the same
// data in all.
func (s *Service) importInto(ctx context.Context, img *Image, st *importState, id string) error {
	to, err := s.writable(id)
	if err != nil {
		return err
	}
	if err := to.Backend.Delete(ctx, to.Backend.URL(st.key(id))); err != nil { // of an attempt before a crash
		return err
	}
	src, size, err := s.importSource(ctx, img, st)
	if err != nil {
		return err
	}
	defer src.Close()
	check, err := s.verifier(ctx, img)
	if err != nil {
		return err
	}
	sum, err := s.put(ctx, to, st.key(id), &bounded{ctx: ctx, r: src, left: s.cfg.SizeCap}, size, check)
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
	s.dedup(ctx, to, st.key(id), sum.hash)
	return nil
}

// importSource opens what is to be stored: the image itself when it is copied,
// else the staged data.
func (s *Service) importSource(ctx context.Context, img *Image, st *importState) (io.ReadCloser, int64, error) {
	if st.Method == "copy-image" {
		data, err := s.open(ctx, img, nil)
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
	f, err := os.Open(s.staged(st.ImageID))
	if err != nil {
		return nil, 0, errs.Wrap(errs.Conflict, err, "The staged data of image %s is gone; stage it again.", img.ID)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// both closes a stream and what it comes from.
type both struct {
	io.ReadCloser
	below io.Closer
}

func (b *both) Close() error { return errors.Join(b.ReadCloser.Close(), b.below.Close()) }

// showProgress tells on the image which stores are done.
func (s *Service) showProgress(ctx context.Context, st *importState) {
	var left []string
	for _, id := range st.Stores {
		if !slices.Contains(st.Stored, id) && !slices.Contains(st.Failed, id) {
			left = append(left, id)
		}
	}
	err := s.db.Write(ctx, func(tx *store.Tx) error {
		img, err := s.tables.Images.Get(ctx, tx, st.ImageID)
		if err != nil || img.Properties[propTask] != st.TaskID {
			return ignoreMissing(err)
		}
		img.Properties[propImporting] = strings.Join(left, ",")
		img.Properties[propFailed] = strings.Join(st.Failed, ",")
		return s.save(ctx, tx, img)
	})
	if err != nil {
		s.log.WarnContext(ctx, "import's progress not shown", "image_id", st.ImageID, "error", err)
	}
}

// importDiscard leaves what was stored to the reaper, which has the patience
// for a store that is away.
func (s *Service) importDiscard(ctx context.Context, st *importState) error {
	return s.db.Write(ctx, func(tx *store.Tx) error { return s.discardImported(ctx, tx, st, st.Stores) })
}

func (s *Service) discardImported(ctx context.Context, tx *store.Tx, st *importState, stores []string) error {
	for _, id := range stores {
		n, ok := s.named(id)
		if !ok {
			continue
		}
		if err := s.discard(ctx, tx, Location{Store: id, URL: n.Backend.URL(st.key(id))}, st.ImageID); err != nil {
			return err
		}
	}
	return nil
}

// importDone makes the image active with its new locations.
func (s *Service) importDone(ctx context.Context, tx *store.Tx, st *importState) error {
	img, err := s.tables.Images.Get(ctx, tx, st.ImageID)
	if errs.Is(err, errs.NotFound) {
		return errs.New(errs.Gone, "The image was deleted during its import.")
	}
	if err != nil {
		return err
	}
	for _, id := range st.Stored {
		n, _ := s.named(id)
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
		tx.AfterCommit(func() { s.dropStaged(st.ImageID) })
	}
	s.endProgress(img, st)
	if err := s.save(ctx, tx, img); err != nil {
		return err
	}
	if err := s.discardImported(ctx, tx, st, st.Failed); err != nil {
		return err
	}
	s.tokens.Delete(st.TaskID)
	return s.Tasks.end(ctx, tx, st.TaskID, "success", "", map[string]any{"image_id": st.ImageID})
}

// endProgress takes the marks of the import off the image.
func (s *Service) endProgress(img *Image, st *importState) {
	delete(img.Properties, propTask)
	img.Properties[propImporting] = ""
	img.Properties[propFailed] = strings.Join(st.Failed, ",")
	img.UpdatedAt = s.now()
}

// importFailed gives the image back as it was before: queued, or still active
// if it was only copied.
func (s *Service) importFailed(ctx context.Context, tx *store.Tx, st *importState, cause *errs.Error) error {
	s.tokens.Delete(st.TaskID)
	tx.AfterCommit(func() { s.dropStaged(st.ImageID) })
	message := "The import failed."
	if cause != nil {
		message = cause.Msg
	}
	if err := s.Tasks.end(ctx, tx, st.TaskID, "failure", message, nil); err != nil {
		return err
	}
	img, err := s.tables.Images.Get(ctx, tx, st.ImageID)
	if err != nil {
		return ignoreMissing(err)
	}
	if img.Status == Importing {
		if err := img.setStatus(Queued); err != nil {
			return err
		}
	}
	st.Failed = st.Stores
	s.endProgress(img, st)
	return s.save(ctx, tx, img)
}

// image loads an image for the service itself.
func (s *Service) image(ctx context.Context, id string) (*Image, error) {
	var img *Image
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		img, err = s.tables.Images.Get(ctx, tx, id)
		return err
	})
	if errs.Is(err, errs.NotFound) {
		return nil, notFound(id)
	}
	return img, err
}

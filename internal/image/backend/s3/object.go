package s3

import (
	"context"
	"io"

	"github.com/minio/minio-go/v7"

	"kumoi/internal/image/backend"
	"kumoi/internal/kernel/errs"
)

// object reads by ranges; each is one request.
type object struct {
	s    *Store
	ctx  context.Context //nolint:containedctx // ReadAt has none; the reader's life is the request's
	name string
	etag string
	size int64
}

// Open asks for the object's size.
func (s *Store) Open(ctx context.Context, u string) (backend.Object, error) {
	name, err := s.key(u)
	if err != nil {
		return nil, err
	}
	info, err := s.c.StatObject(ctx, s.cfg.Bucket, name, minio.StatObjectOptions{})
	if err != nil {
		return nil, translate(err)
	}
	return &object{s: s, ctx: ctx, name: name, etag: info.ETag, size: info.Size}, nil
}

func (o *object) Size() int64  { return o.size }
func (o *object) Close() error { return nil }

// Range streams a part of the object, as long as it is still the same one.
func (o *object) Range(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	if n == 0 {
		return io.NopCloser(eof{}), nil
	}
	var opts minio.GetObjectOptions
	if err := opts.SetRange(off, off+n-1); err != nil {
		return nil, errs.Wrap(errs.Range, err, "The range is not valid.")
	}
	if err := opts.SetMatchETag(o.etag); err != nil {
		return nil, err
	}
	body, _, _, err := o.s.core.GetObject(ctx, o.s.cfg.Bucket, o.name, opts)
	if err != nil {
		return nil, translate(err)
	}
	return body, nil
}

func (o *object) ReadAt(p []byte, off int64) (int, error) {
	n := min(int64(len(p)), o.size-off)
	if n <= 0 {
		return 0, io.EOF
	}
	r, err := o.Range(o.ctx, off, n)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	got, err := io.ReadFull(r, p[:n])
	if err == nil && got < len(p) {
		err = io.EOF
	}
	return got, translateRead(err)
}

func translateRead(err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // io.ReaderAt's contract
		return err
	}
	return translate(err)
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

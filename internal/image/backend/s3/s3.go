// Package s3 keeps image data in a bucket of an S3-compatible object store.
package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"kumoi/internal/image/backend"
	"kumoi/internal/kernel/errs"
)

// Config says which bucket and how to get there.
type Config struct {
	Endpoint  string // "https://s3.example.com:443"
	Region    string
	Bucket    string
	Prefix    string // of the keys in the bucket; optional
	AccessKey string
	SecretKey string
	// SecretFile holds the secret key in place of SecretKey.
	SecretFile string
	// CreateBucket makes the bucket if it is missing.
	CreateBucket bool
	// PartSize is how large the parts of an upload are, and how much memory one
	// upload takes; 16 MiB if zero.
	PartSize int64
	// Transport is for tests.
	Transport http.RoundTripper
}

// Store is a bucket.
type Store struct {
	cfg  Config
	host string
	c    *minio.Client
	core minio.Core
}

var _ backend.Backend = (*Store)(nil)

// New prepares the store; it does not ask the server, which may be away.
func New(cfg Config) (*Store, error) {
	u, err := url.Parse(cfg.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("image store s3: endpoint %q is not an http or https URL", cfg.Endpoint)
	}
	if cfg.Bucket == "" {
		return nil, errors.New("image store s3: no bucket is named")
	}
	if cfg.SecretFile != "" {
		text, err := os.ReadFile(filepath.Clean(cfg.SecretFile))
		if err != nil {
			return nil, fmt.Errorf("image store s3: %w", err)
		}
		cfg.SecretKey = strings.TrimSpace(string(text))
	}
	if cfg.PartSize == 0 {
		cfg.PartSize = 16 << 20
	}
	if cfg.Prefix != "" {
		cfg.Prefix = strings.Trim(cfg.Prefix, "/") + "/"
	}
	opts := &minio.Options{
		Creds: credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""), Secure: u.Scheme == "https", Region: cfg.Region,
		BucketLookup: minio.BucketLookupPath, Transport: cfg.Transport, MaxRetries: 3,
	}
	c, err := minio.New(u.Host, opts)
	if err != nil {
		return nil, fmt.Errorf("image store s3: %w", err)
	}
	return &Store{cfg: cfg, host: u.Host, c: c, core: minio.Core{Client: c}}, nil
}

// Type is "s3".
func (s *Store) Type() string { return "s3" }

// ReadOnly is false.
func (s *Store) ReadOnly() bool { return false }

// URL names the object without the keys to it.
func (s *Store) URL(key string) string {
	return "s3://" + s.host + "/" + s.cfg.Bucket + "/" + s.cfg.Prefix + key
}

// Owns tells whether the URL is in the bucket, below the prefix.
func (s *Store) Owns(u string) bool {
	_, err := s.key(u)
	return err == nil
}

func (s *Store) key(u string) (string, error) {
	rest, ok := strings.CutPrefix(u, s.URL(""))
	if !ok || strings.Trim(rest, ".") == "" || strings.Contains(rest, "/") {
		return "", errs.New(errs.Invalid, "The location %.200q is not in this store.", u)
	}
	return s.cfg.Prefix + rest, nil
}

// Check asks for the bucket.
func (s *Store) Check(ctx context.Context) error {
	ok, err := s.c.BucketExists(ctx, s.cfg.Bucket)
	if err != nil {
		return translate(err)
	}
	if !ok {
		if !s.cfg.CreateBucket {
			return errs.New(errs.Unavailable, "The bucket %s of the image store is not there.", s.cfg.Bucket)
		}
		return translate(s.c.MakeBucket(ctx, s.cfg.Bucket, minio.MakeBucketOptions{Region: s.cfg.Region}))
	}
	return nil
}

// Properties tell administrators how large parts are.
func (s *Store) Properties() map[string]any {
	return map[string]any{
		"s3_store_large_object_size": s.cfg.PartSize, "s3_store_large_object_chunk_size": s.cfg.PartSize,
		"s3_store_thread_pools": 1, "bucket": s.cfg.Bucket,
	}
}

// Put uploads in parts, one after the other, from one buffer. The object
// appears when the last call says that it is complete.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64) (int64, error) {
	name, err := s.key(s.URL(key))
	if err != nil {
		return 0, err
	}
	buf := make([]byte, s.partSize(size))
	n, rerr := backend.Fill(r, buf)
	if rerr != nil && !errors.Is(rerr, io.EOF) {
		return int64(n), rerr
	}
	if rerr != nil { // all of it fits one request
		_, err := s.core.PutObject(ctx, s.cfg.Bucket, name, bytes.NewReader(buf[:n]), int64(n), "", "", minio.PutObjectOptions{})
		return int64(n), translate(err)
	}
	id, err := s.core.NewMultipartUpload(ctx, s.cfg.Bucket, name, minio.PutObjectOptions{})
	if err != nil {
		return 0, translate(err)
	}
	total, parts, err := s.parts(ctx, name, id, r, buf)
	if err == nil {
		_, err = s.core.CompleteMultipartUpload(ctx, s.cfg.Bucket, name, id, parts, minio.PutObjectOptions{})
		err = translate(err)
	}
	if err != nil {
		_ = s.core.AbortMultipartUpload(context.WithoutCancel(ctx), s.cfg.Bucket, name, id) // Delete tries again
	}
	return total, err
}

// partSize grows with the object, as there may be 10,000 parts at most.
func (s *Store) partSize(size int64) int64 {
	part := s.cfg.PartSize
	for size > part*9000 {
		part *= 2
	}
	return part
}

// parts sends buf, which is full, and then the rest of r.
func (s *Store) parts(ctx context.Context, name, id string, r io.Reader, buf []byte) (int64, []minio.CompletePart, error) {
	var total int64
	var done []minio.CompletePart
	n, ended := len(buf), false
	for {
		if n > 0 {
			p, err := s.core.PutObjectPart(ctx, s.cfg.Bucket, name, id, len(done)+1, bytes.NewReader(buf[:n]), int64(n), minio.PutObjectPartOptions{})
			if err != nil {
				return total, nil, translate(err)
			}
			done = append(done, minio.CompletePart{PartNumber: p.PartNumber, ETag: p.ETag})
			total += int64(n)
		}
		if ended {
			return total, done, nil
		}
		var err error
		n, err = backend.Fill(r, buf)
		if ended = errors.Is(err, io.EOF); err != nil && !ended {
			return total, nil, err
		}
	}
}

// Delete removes the object and gives up unfinished uploads of it.
func (s *Store) Delete(ctx context.Context, u string) error {
	name, err := s.key(u)
	if err != nil {
		return err
	}
	err = s.c.RemoveObject(ctx, s.cfg.Bucket, name, minio.RemoveObjectOptions{})
	if err := translate(err); err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	for up := range s.c.ListIncompleteUploads(ctx, s.cfg.Bucket, name, true) {
		if up.Err != nil {
			return translate(up.Err)
		}
		if err := s.core.AbortMultipartUpload(ctx, s.cfg.Bucket, up.Key, up.UploadID); err != nil {
			if err = translate(err); !errs.Is(err, errs.NotFound) {
				return err
			}
		}
	}
	return nil
}

// translate gives the server's answers a kind.
func translate(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var typed *errs.Error
	if errors.As(err, &typed) {
		return err
	}
	var resp minio.ErrorResponse
	if errors.As(err, &resp) {
		switch {
		case resp.StatusCode == http.StatusNotFound && resp.Code != "NoSuchBucket":
			return errs.Wrap(errs.NotFound, err, "The image's data is not in its store.")
		case resp.StatusCode == http.StatusInsufficientStorage, resp.Code == "QuotaExceeded", resp.Code == "XMinioStorageFull":
			return errs.Wrap(errs.TooLarge, err, "Image storage media is full.")
		}
		return errs.Wrap(errs.Unavailable, err, "The image store refuses its service at the moment.")
	}
	var network net.Error
	if errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errs.Wrap(errs.Unavailable, err, "The image store cannot be reached at the moment.")
	}
	return err
}

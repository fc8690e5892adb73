package imagecache

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kumoi/internal/agent/disk"
	"kumoi/internal/diskimage"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// inFlight is how many chunks are asked for at a time.
const inFlight = 6

// fetch brings an image from its source.
func (c *Cache) fetch(ctx context.Context, want hostapi.RootDisk) (Image, error) {
	start := time.Now()
	part := c.path(want.ImageID, ".part")
	defer os.Remove(part) //nolint:errcheck // gone after the rename
	if err := c.room(want.ImageBytes); err != nil {
		return Image{}, err
	}
	sum, err := c.verified(ctx, want, part)
	if err != nil {
		return Image{}, err
	}
	info, err := diskimage.Accept(part, want.DiskFormat)
	if err != nil {
		return Image{}, err
	}
	image := Image{ID: want.ImageID, Format: info.Format, VirtualSize: info.VirtualSize, SHA512: sum}
	switch {
	case info.Format == "iso":
		image.Format, image.CDROM = "raw", true
	case info.Format != "raw" && info.Format != "qcow2":
		if image, err = c.convert(ctx, part, image); err != nil {
			return Image{}, err
		}
	}
	if image, err = c.publish(part, image); err != nil {
		return Image{}, fmt.Errorf("keep image %s: %w", want.ImageID, err)
	}
	c.log.InfoContext(ctx, "image fetched", "image", want.ImageID, "bytes", want.ImageBytes, "took", time.Since(start).Round(time.Millisecond))
	return image, c.Trim(want.ImageID)
}

// verified downloads the image and sees that it is what it should be. What was
// damaged on its way may arrive whole the next time.
func (c *Cache) verified(ctx context.Context, want hostapi.RootDisk, path string) (sum string, err error) {
	for range 2 {
		if sum, err = c.download(ctx, want, path); err != nil {
			return "", disk.Full(fmt.Errorf("fetch image %s: %w", want.ImageID, err))
		}
		if want.SHA512 == "" || strings.EqualFold(sum, want.SHA512) {
			return sum, nil
		}
		c.log.WarnContext(ctx, "image arrived damaged", "image", want.ImageID, "sha512", sum, "want", want.SHA512)
	}
	return "", errs.New(errs.Invalid, "Image %s is damaged: its content does not match its checksum.", want.ImageID)
}

// room refuses early what would fill the disk.
func (c *Cache) room(bytes int64) error {
	_, free, err := disk.Free(c.cfg.Dir)
	if err != nil {
		return err
	}
	if free < bytes+64<<20 {
		return errs.New(errs.NoCapacity, "The host's disk has no room for an image of %d bytes.", bytes)
	}
	return nil
}

func (c *Cache) convert(ctx context.Context, part string, image Image) (Image, error) {
	out := part + ".qcow2"
	if err := disk.Convert(ctx, []diskimage.Layer{{Path: part, Format: image.Format}}, image.VirtualSize, out); err != nil {
		return image, err
	}
	size, err := disk.Size(out)
	if err != nil {
		return image, err
	}
	image.Format, image.VirtualSize = "qcow2", size
	return image, os.Rename(out, part)
}

// download writes the image to path and returns its checksum. Several chunks
// are on their way while earlier ones are hashed and written.
func (c *Cache) download(ctx context.Context, want hostapi.RootDisk, path string) (string, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // closed below when it matters
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hash, written := sha512.New(), make(chan error, 1)
	toWrite := make(chan chunk, inFlight)
	go func() { written <- write(f, toWrite, want.ImageBytes, cancel) }()
	for piece := range c.chunks(ctx, want) {
		got := <-piece
		if got.err != nil {
			close(toWrite)
			<-written //nolint:errcheck // the first error is told
			return "", got.err
		}
		select {
		case toWrite <- got:
		case <-ctx.Done():
		}
		hash.Write(got.data)
	}
	close(toWrite)
	if err := <-written; err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", context.Cause(ctx)
	}
	return hex.EncodeToString(hash.Sum(nil)), f.Close()
}

type chunk struct {
	offset int64
	data   []byte
	err    error
}

// chunks asks for the image piece by piece and gives the answers in order.
func (c *Cache) chunks(ctx context.Context, want hostapi.RootDisk) <-chan chan chunk {
	queue := make(chan chan chunk, inFlight-1)
	go func() {
		defer close(queue)
		for at := int64(0); at < want.ImageBytes; at += hostapi.MaxChunk {
			answer := make(chan chunk, 1)
			select {
			case queue <- answer:
			case <-ctx.Done():
				return
			}
			go func() {
				length := int(min(hostapi.MaxChunk, want.ImageBytes-at))
				data, err := c.cfg.Source(ctx, want.ImageID, at, length)
				if err == nil && len(data) != length {
					err = errs.New(errs.Unavailable, "Image %s ended at byte %d of %d.", want.ImageID, at+int64(len(data)), want.ImageBytes)
				}
				answer <- chunk{at, data, err}
			}()
		}
	}()
	return queue
}

var zeros [64 << 10]byte

// write puts chunks at their places, leaving holes where they are zero, and
// sees that they are on the disk.
func write(f *os.File, chunks <-chan chunk, size int64, cancel func()) (err error) {
	defer func() {
		if err != nil {
			cancel()
			for range chunks { // until the sender has noticed
				continue
			}
		}
	}()
	for c := range chunks {
		at, data := c.offset, c.data
		for len(data) > 0 {
			n := min(len(data), len(zeros))
			if !bytes.Equal(data[:n], zeros[:n]) {
				if _, err := f.WriteAt(data[:n], at); err != nil {
					return err
				}
			}
			at, data = at+int64(n), data[n:]
		}
		// Have the kernel start early on what must be on the disk in the end.
		_ = unix.SyncFileRange(int(f.Fd()), c.offset, at-c.offset, unix.SYNC_FILE_RANGE_WRITE)
	}
	if err := f.Truncate(size); err != nil {
		return err
	}
	return unix.Fdatasync(int(f.Fd()))
}

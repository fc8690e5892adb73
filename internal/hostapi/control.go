package hostapi

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Control asks the control plane, in the name of a host.
type Control struct {
	Bus  Requester
	Host string
}

// ReadImage reads a part of an image, MaxChunk at most.
func (c Control) ReadImage(ctx context.Context, imageID string, offset int64, length int) ([]byte, error) {
	var data []byte
	err := c.Bus.Request(ctx, ControlSubject(c.Host, ControlReadImage), ImageChunk{imageID, offset, length}, &data)
	return data, err
}

// WriteImage sends a part of an image.
func (c Control) WriteImage(ctx context.Context, w ImageWrite) error {
	return c.Bus.Request(ctx, ControlSubject(c.Host, ControlWriteImage), w, nil)
}

// SendImage sends a file as an image. The control plane hashes and stores the
// pieces in the order of the file, so one follows the other.
func SendImage(ctx context.Context, to VolumeControl, imageID string, f io.ReaderAt, size int64) error {
	data := make([]byte, min(MaxChunk, size))
	for at := int64(0); at < size; at += int64(len(data)) {
		data = data[:min(MaxChunk, size-at)]
		if _, err := f.ReadAt(data, at); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err := to.WriteImage(ctx, ImageWrite{ImageID: imageID, Offset: at, Data: data}); err != nil {
			return fmt.Errorf("send image %s: %w", imageID, err)
		}
	}
	return to.WriteImage(ctx, ImageWrite{ImageID: imageID, Done: true, Size: size, Offset: size})
}

// WriteBackup sends a part of a backup.
func (c Control) WriteBackup(ctx context.Context, w BackupWrite) error {
	return c.Bus.Request(ctx, ControlSubject(c.Host, ControlWriteBackup), w, nil)
}

// ReadBackup reads the next part of a backup.
func (c Control) ReadBackup(ctx context.Context, r BackupRead) (*BackupWrite, error) {
	var out BackupWrite
	if err := c.Bus.Request(ctx, ControlSubject(c.Host, ControlReadBackup), r, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

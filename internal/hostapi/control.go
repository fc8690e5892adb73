package hostapi

import "context"

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

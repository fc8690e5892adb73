// Package configdrive writes config drives: small ISO 9660 file systems
// labelled "config-2" that carry a server's metadata. Long names are there
// twice, for Unix (Rock Ridge) and for Windows (Joliet).
package configdrive

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Label is how guests find the drive.
const Label = "config-2"

// Write makes a drive of files, given by their paths, as a whole. A drive that
// says the same already is left alone.
func Write(path string, files map[string][]byte, at time.Time) error {
	image, err := Image(files, at)
	if err != nil {
		return fmt.Errorf("config drive: %w", err)
	}
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, image) {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // 0600
	if err != nil {
		return fmt.Errorf("config drive: %w", err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	_, err = f.Write(image)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("config drive: %w", err)
	}
	return nil
}

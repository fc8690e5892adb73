package volume

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
)

// chunkStore keeps backups' bytes as files below a directory: for each backup
// the file "data", and "index" with a line for each part.
type chunkStore struct {
	dir  string
	open *sync.Map // id → *chunks, of backups that are being written or read
}

// chunks are the parts of one backup.
type chunks struct {
	mu    sync.Mutex
	dir   string
	parts []chunk
	end   int64 // behind the last part
	size  int64 // of the file
	data  *os.File
	index *os.File
}

// chunk is a part: At is where its bytes are in the file, -1 for zeros.
type chunk struct {
	Offset int64 `json:"o"`
	Length int64 `json:"l"`
	At     int64 `json:"a"`
	Done   bool  `json:"d,omitempty"` // the last line
}

// path is a backup's folder. Ids come from records that somebody may have
// imported, so they must be ids.
func (c *chunkStore) path(id string) (string, error) {
	if !ids.IsUUID(id) {
		return "", errs.New(errs.Invalid, "%.60q is no id of a backup.", id)
	}
	return filepath.Join(c.dir, id), nil
}

// reset begins a backup anew.
func (c *chunkStore) reset(id string) error {
	if err := c.remove(id); err != nil {
		return err
	}
	dir, err := c.path(id)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	return err
}

// link gives another backup the same bytes, if it has none.
func (c *chunkStore) link(from, to string) error {
	old, err := c.path(from)
	if err != nil {
		return err
	}
	dir, err := c.path(to)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(old, "index")); err != nil {
		return nil //nolint:nilerr // there are none
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("import backup %s: %w", to, err)
	}
	for _, name := range []string{"data", "index"} {
		if err := os.Link(filepath.Join(old, name), filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("import backup %s: %w", to, err)
		}
	}
	return nil
}

// remove forgets a backup's bytes.
func (c *chunkStore) remove(id string) error {
	c.close(id)
	dir, err := c.path(id)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove backup %s: %w", id, err)
	}
	return nil
}

func (c *chunkStore) close(id string) {
	if v, ok := c.open.LoadAndDelete(id); ok {
		v.(*chunks).close()
	}
}

func (b *chunks) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data.Close()
	b.index.Close()
}

// get opens a backup.
func (c *chunkStore) get(id string) (*chunks, error) {
	if v, ok := c.open.Load(id); ok {
		return v.(*chunks), nil
	}
	dir, err := c.path(id)
	if err != nil {
		return nil, err
	}
	b := &chunks{dir: dir}
	b.data, err = os.OpenFile(filepath.Join(dir, "data"), os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errs.New(errs.NotFound, "The bytes of backup %s are not there.", id)
	}
	if err != nil {
		return nil, fmt.Errorf("open backup %s: %w", id, err)
	}
	if b.index, err = os.OpenFile(filepath.Join(dir, "index"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("open backup %s: %w", id, err), b.data.Close())
	}
	if err := b.load(); err != nil {
		b.close()
		return nil, fmt.Errorf("open backup %s: %w", id, err)
	}
	if v, loaded := c.open.LoadOrStore(id, b); loaded {
		b.close()
		return v.(*chunks), nil
	}
	return b, nil
}

func (b *chunks) load() error {
	for d := json.NewDecoder(b.index); ; {
		var p chunk
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		b.parts = append(b.parts, p)
		b.end = max(b.end, p.Offset+p.Length)
	}
	info, err := b.data.Stat()
	if err == nil {
		b.size = info.Size()
	}
	return err
}

// whole tells whether the last part is there.
func (b *chunks) whole() bool { return len(b.parts) > 0 && b.parts[len(b.parts)-1].Done }

// write takes the next part; one that came already is known by its offset.
func (c *chunkStore) write(w hostapi.BackupWrite) error {
	b, err := c.get(w.BackupID)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p := chunk{Offset: w.Offset, Length: w.Length, At: -1, Done: w.Done}
	if b.whole() || w.Offset < b.end {
		return nil
	}
	if !w.Zero && len(w.Data) > 0 {
		p.At, p.Length = b.size, int64(len(w.Data))
		if _, err := b.data.WriteAt(w.Data, b.size); err != nil {
			return fmt.Errorf("write backup %s: %w", w.BackupID, err)
		}
		b.size += p.Length
	}
	if w.Done {
		if err := b.data.Sync(); err != nil {
			return fmt.Errorf("write backup %s: %w", w.BackupID, err)
		}
	}
	line, err := json.Marshal(p)
	if err == nil {
		_, err = b.index.Write(append(line, '\n'))
	}
	if err == nil && w.Done {
		err = b.index.Sync()
	}
	if err != nil {
		return fmt.Errorf("write backup %s: %w", w.BackupID, err)
	}
	b.parts, b.end = append(b.parts, p), max(b.end, p.Offset+p.Length)
	return nil
}

// read returns the first part that ends behind an offset.
func (c *chunkStore) read(r hostapi.BackupRead) (*hostapi.BackupWrite, error) {
	b, err := c.get(r.BackupID)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i, _ := slices.BinarySearchFunc(b.parts, r.Offset+1, func(p chunk, behind int64) int { return cmp.Compare(p.Offset+p.Length, behind) })
	if i >= len(b.parts) || b.parts[i].Length == 0 {
		return &hostapi.BackupWrite{BackupID: r.BackupID, Offset: b.end, Done: true}, nil
	}
	p := b.parts[i]
	out := &hostapi.BackupWrite{BackupID: r.BackupID, Offset: p.Offset, Length: p.Length, Zero: p.At < 0}
	if p.At >= 0 {
		out.Data = make([]byte, p.Length)
		if _, err := b.data.ReadAt(out.Data, p.At); err != nil {
			return nil, fmt.Errorf("read backup %s: %w", r.BackupID, err)
		}
	}
	return out, nil
}

// bytes is what a backup takes; whole tells whether all of it is there.
func (c *chunkStore) bytes(id string) (size int64, whole bool, err error) {
	dir, err := c.path(id)
	if err != nil {
		return 0, false, err
	}
	if _, err := os.Stat(filepath.Join(dir, "index")); err != nil {
		return 0, false, nil //nolint:nilerr // there is none
	}
	b, err := c.get(id)
	if err != nil {
		return 0, false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size, b.whole(), nil
}

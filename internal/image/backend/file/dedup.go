package file

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The digest of an object's content is kept with the file, so that its shared
// name is found when the object is deleted.
const xattr = "user.kumoi.sha512"

func digestOf(path string) string {
	buf := make([]byte, 256)
	n, err := unix.Lgetxattr(path, xattr, buf)
	if err != nil {
		return ""
	}
	return string(buf[:n])
}

// Dedup makes the object one file with an equal one, if there is one. A digest
// is believed only after the bytes were compared.
func (s *Store) Dedup(_ context.Context, u, digest string) error {
	name, err := s.name(u)
	if err != nil {
		return err
	}
	if digest == "" || filepath.Base(digest) != digest {
		return nil
	}
	path, shared := filepath.Join(s.dir, name), filepath.Join(s.dir, byDigest, digest)
	if err := unix.Lsetxattr(path, xattr, []byte(digest), 0); err != nil {
		return nil //nolint:nilerr // a file system without attributes keeps two files
	}
	err = os.Link(path, shared)
	if err == nil || !errors.Is(err, os.ErrExist) {
		return translate(err)
	}
	same, err := equal(path, shared)
	if err != nil || !same {
		return translate(err)
	}
	temp := filepath.Join(s.dir, incoming, name)
	if err := os.Link(shared, temp); err != nil {
		return translate(err)
	}
	// Renaming one name of a file over another of the same file does nothing,
	// so the temporary name is removed in any case.
	defer os.Remove(temp)
	return translate(os.Rename(temp, path))
}

// release removes a digest's name when it is the last one of its file. A new
// object may take the name's place in between: then it merely is not shared.
func (s *Store) release(digest string) {
	if filepath.Base(digest) != digest {
		return
	}
	path := filepath.Join(s.dir, byDigest, digest)
	var st unix.Stat_t
	if unix.Lstat(path, &st) == nil && st.Nlink == 1 {
		os.Remove(path)
	}
}

func equal(a, b string) (bool, error) {
	fa, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer fa.Close()
	fb, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer fb.Close()
	sa, errA := fa.Stat()
	sb, errB := fb.Stat()
	if errA != nil || errB != nil || sa.Size() != sb.Size() {
		return false, errors.Join(errA, errB)
	}
	if os.SameFile(sa, sb) {
		return true, nil
	}
	bufA, bufB := make([]byte, chunk), make([]byte, chunk)
	for {
		n, errA := io.ReadFull(fa, bufA)
		m, errB := io.ReadFull(fb, bufB)
		if n != m || !bytes.Equal(bufA[:n], bufB[:m]) {
			return false, nil
		}
		if errors.Is(errA, io.EOF) || errors.Is(errA, io.ErrUnexpectedEOF) {
			return true, nil
		}
		if errA != nil || errB != nil {
			return false, errors.Join(errA, errB)
		}
	}
}

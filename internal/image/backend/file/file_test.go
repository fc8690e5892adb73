package file_test

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"kumoi/internal/image/backend"
	"kumoi/internal/image/backend/backendtest"
	"kumoi/internal/image/backend/file"
	"kumoi/internal/kernel/errs"
)

func TestSuite(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backend.Backend { return open(t, t.TempDir()) })
}

func open(t *testing.T, dir string) *file.Store {
	t.Helper()
	s, err := file.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// files lists all files below dir with their number of names.
func files(t *testing.T, dir string) map[string]uint64 {
	t.Helper()
	out := map[string]uint64{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			out[path] = info.Sys().(*syscall.Stat_t).Nlink
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestHoles(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.Put(context.Background(), "hollow", bytes.NewReader(make([]byte, 32<<20)), -1); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "hollow"))
	if err != nil || info.Size() != 32<<20 {
		t.Fatal(info, err)
	}
	if blocks := info.Sys().(*syscall.Stat_t).Blocks; blocks > 64 {
		t.Errorf("32 MiB of zeros take %d blocks", blocks)
	}
}

func TestDedup(t *testing.T) {
	dir := t.TempDir()
	s, ctx := open(t, dir), context.Background()
	data := backendtest.Noise(500_000)
	sum := sha512.Sum512(data)
	digest := hex.EncodeToString(sum[:])
	for _, key := range []string{"a", "b", "c"} {
		if _, err := s.Put(ctx, key, bytes.NewReader(data), -1); err != nil {
			t.Fatal(err)
		}
		if err := s.Dedup(ctx, s.URL(key), digest); err != nil {
			t.Fatal(err)
		}
	}
	have := files(t, dir)
	if have[filepath.Join(dir, "a")] != 4 || len(have) != 4 {
		t.Skipf("this file system keeps no attributes: %v", have)
	}
	// A wrong digest must not make different data one.
	if _, err := s.Put(ctx, "liar", bytes.NewReader(backendtest.Noise(500_001)), -1); err != nil {
		t.Fatal(err)
	}
	if err := s.Dedup(ctx, s.URL("liar"), digest); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "liar")); err != nil || len(got) != 500_001 {
		t.Errorf("different data was replaced: %d bytes, %v", len(got), err)
	}
	for _, key := range []string{"liar", "a", "c"} {
		if err := s.Delete(ctx, s.URL(key)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(filepath.Join(dir, "b")); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the last name lost its data: %v", err)
	}
	if err := s.Delete(ctx, s.URL("b")); err != nil {
		t.Fatal(err)
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A process that died in the middle leaves a file that Delete removes.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := os.WriteFile(filepath.Join(dir, ".incoming", "dead"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(context.Background(), "dead", bytes.NewReader(nil), 0); !errs.Is(err, errs.Exists) {
		t.Errorf("put over another's: %v", err)
	}
	if err := s.Delete(context.Background(), s.URL("dead")); err != nil {
		t.Fatal(err)
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A full disk is told as such and leaves nothing behind.
func TestDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small disk needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := open(t, dir)
	for _, hint := range []int64{-1, 4 << 20} {
		if _, err := s.Put(context.Background(), "big", bytes.NewReader(backendtest.Noise(4<<20)), hint); !errs.Is(err, errs.TooLarge) {
			t.Errorf("with hint %d: %v", hint, err)
		}
		if left := files(t, dir); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
	if _, err := s.Put(context.Background(), "small", bytes.NewReader(backendtest.Noise(1000)), -1); err != nil {
		t.Errorf("a small object after that: %v", err)
	}
}

// A location names a file of the store, and no other one of the machine, nor
// one that the store keeps for itself.
func TestOnlyItsOwnFiles(t *testing.T) {
	dir := t.TempDir()
	s, ctx := open(t, dir), t.Context()
	secret := filepath.Join(filepath.Dir(dir), "secret")
	for _, path := range []string{secret, filepath.Join(dir, ".part")} {
		if err := os.WriteFile(path, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, u := range []string{
		"file://" + secret, "file://" + dir + "/../secret", "file://" + dir + "/%2e%2e/secret", "file://" + dir + "/.part", "file://" + dir + "/..",
		"file://" + dir + "/", "file://" + dir, "file://elsewhere" + dir + "/key", "http://" + dir + "/key", dir + "/key", "file:///etc/passwd", "",
	} {
		if s.Owns(u) {
			t.Errorf("%q is said to be the store's", u)
		}
		if _, err := s.Open(ctx, u); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q is opened: %v", u, err)
		}
		if err := s.Delete(ctx, u); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q is deleted: %v", u, err)
		}
	}
	if _, err := os.Stat(secret); err != nil {
		t.Error(err)
	}
	if u := s.URL("key"); !s.Owns(u) {
		t.Errorf("%q is not said to be the store's", u)
	}
}

package imagecache_test

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kumoi/internal/agent/imagecache"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// library is a source of images.
type library struct {
	images map[string][]byte
	reads  atomic.Int64
	mu     sync.Mutex
	fail   func(offset int64) error
}

func (l *library) failing(f func(offset int64) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = f
}

func (l *library) read(_ context.Context, id string, offset int64, length int) ([]byte, error) {
	l.reads.Add(1)
	l.mu.Lock()
	fail := l.fail
	l.mu.Unlock()
	if fail != nil {
		if err := fail(offset); err != nil {
			return nil, err
		}
	}
	data := l.images[id]
	return data[offset:min(offset+int64(length), int64(len(data)))], nil
}

// image is a raw image: noise, a hole, noise.
func image(size int) []byte {
	data := make([]byte, size)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(data[:size/3])
	_, _ = r.Read(data[2*size/3:])
	return data
}

func (l *library) want(id string) hostapi.RootDisk {
	sum := sha512.Sum512(l.images[id])
	return hostapi.RootDisk{ImageID: id, DiskFormat: "raw", ImageBytes: int64(len(l.images[id])), SHA512: hex.EncodeToString(sum[:])}
}

func open(t testing.TB, l *library, limit int64) (*imagecache.Cache, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "images")
	c, err := imagecache.New(imagecache.Config{Dir: dir, Limit: limit, Source: l.read})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, dir
}

func TestFetchedOnceAndWhole(t *testing.T) {
	l := &library{images: map[string][]byte{"a": image(5<<20 + 123)}}
	c, dir := open(t, l, 0)
	for range 2 {
		got, err := c.Get(t.Context(), l.want("a"))
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(got.Path)
		if err != nil || !bytes.Equal(data, l.images["a"]) {
			t.Fatalf("the image differs: %v", err)
		}
		if got.Format != "raw" || got.VirtualSize != int64(len(data)) {
			t.Errorf("the image is described as %+v", got)
		}
	}
	if n := l.reads.Load(); n != 6 {
		t.Errorf("%d reads, want 6", n)
	}
	again, err := imagecache.New(imagecache.Config{Dir: dir, Source: l.read})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Get(t.Context(), l.want("a")); err != nil || l.reads.Load() != 6 {
		t.Errorf("fetched again by the next agent: %v", err)
	}
	if c.Bytes() >= 5<<20 {
		t.Errorf("the hole takes room: %d bytes", c.Bytes())
	}
}

func TestFailedFetchLeavesNothing(t *testing.T) {
	l := &library{images: map[string][]byte{"a": image(4 << 20)}}
	c, dir := open(t, l, 0)
	broken := errs.New(errs.Unavailable, "away")
	l.failing(func(offset int64) error {
		if offset == 2<<20 {
			return broken
		}
		return nil
	})
	if _, err := c.Get(t.Context(), l.want("a")); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	l.failing(nil)
	wrong := l.want("a")
	wrong.SHA512 = hex.EncodeToString(make([]byte, 64))
	if _, err := c.Get(t.Context(), wrong); !errs.Is(err, errs.Invalid) {
		t.Errorf("a damaged image gave %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("left: %v", entries)
	}
	if _, err := c.Get(t.Context(), l.want("a")); err != nil {
		t.Errorf("not fetched in the end: %v", err)
	}
}

func TestFetchGoesOnWithoutItsFirstAsker(t *testing.T) {
	l := &library{images: map[string][]byte{"a": image(1 << 20)}}
	hold := make(chan struct{})
	l.failing(func(int64) error { <-hold; return nil })
	c, _ := open(t, l, 0)
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { _, err := c.Get(ctx, l.want("a")); first <- err }()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up got %v", err)
	}
	close(hold)
	if _, err := c.Get(t.Context(), l.want("a")); err != nil {
		t.Error(err)
	}
}

func TestUnusedImagesGoOldestFirst(t *testing.T) {
	l := &library{images: map[string][]byte{}}
	c, dir := open(t, l, 3<<20)
	for i := range 5 {
		id := fmt.Sprint("image-", i)
		data := make([]byte, 1<<20)
		r := rand.NewChaCha8([32]byte{byte(i)})
		_, _ = r.Read(data)
		l.images[id] = data
		if i == 0 { // in use: it stays, whatever its age
			if _, err := c.Link(t.Context(), l.want(id), filepath.Join(t.TempDir(), "base")); err != nil {
				t.Fatal(err)
			}
		} else if _, err := c.Get(t.Context(), l.want(id)); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(i-10) * time.Hour)
		if err := os.Chtimes(filepath.Join(dir, id+".img"), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Trim(""); err != nil {
		t.Fatal(err)
	}
	list := c.List()
	if len(list.Images) != 4 || list.Limit != 3<<20 || list.Images[0].ID != "image-0" || list.Images[0].Disks != 1 || list.Images[3].ID != "image-4" || list.Images[3].Disks != 0 {
		t.Errorf("listed: %+v", list)
	}
	for i, want := range []bool{true, false, true, true, true} {
		_, err := os.Stat(filepath.Join(dir, fmt.Sprintf("image-%d.img", i)))
		if (err == nil) != want {
			t.Errorf("image %d is there: %v, want %v", i, err == nil, want)
		}
	}
}

func TestRemainsOfACrashAreDropped(t *testing.T) {
	l := &library{images: map[string][]byte{"a": image(1 << 20)}}
	_, dir := open(t, l, 0)
	for _, name := range []string{"a.part", "a.part.qcow2", "a.img"} { // the last without its description
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := imagecache.New(imagecache.Config{Dir: dir, Source: l.read})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Get(t.Context(), l.want("a"))
	if err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(got.Path); !bytes.Equal(data, l.images["a"]) {
		t.Error("half an image was taken for a whole one")
	}
}

// An image that a crash has left without its description is dropped like any
// other when there is need, and stops nobody.
func TestRemainsOfACrashAreTrimmed(t *testing.T) {
	l := &library{images: map[string][]byte{"b": image(1 << 20)}}
	c, dir := open(t, l, 1<<20)
	left := filepath.Join(dir, "a.img")
	if err := os.WriteFile(left, image(2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), l.want("b")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the left-over is still there: %v", err)
	}
}

// A cache that is always over its limit drops images while others come in.
func TestFetchesSideBySide(t *testing.T) {
	const images, rounds = 8, 20
	l := &library{images: map[string][]byte{}}
	for i := range images {
		l.images[fmt.Sprint("image-", i)] = image(64<<10 + i)
	}
	c, _ := open(t, l, 1)
	var wg sync.WaitGroup
	for i := range images {
		wg.Go(func() {
			for range rounds {
				if _, err := c.Get(t.Context(), l.want(fmt.Sprint("image-", i))); err != nil {
					t.Errorf("image %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkFetch(b *testing.B) {
	l := &library{images: map[string][]byte{}}
	data := make([]byte, 256<<20)
	r := rand.NewChaCha8([32]byte{})
	_, _ = r.Read(data)
	c, dir := open(b, l, 0)
	b.SetBytes(int64(len(data)))
	for i := 0; b.Loop(); i++ {
		id := fmt.Sprint(i)
		l.images[id] = data
		want := l.want(id)
		if _, err := c.Get(b.Context(), want); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = os.Remove(filepath.Join(dir, id+".img"))
		b.StartTimer()
	}
}

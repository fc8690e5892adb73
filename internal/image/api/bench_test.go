package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kumoi/internal/image"
	"kumoi/internal/image/backend/backendtest"
	"kumoi/internal/image/backend/file"
	"kumoi/internal/image/sqlstore"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// BenchmarkList asks for one page of 10,000 images, as an administrator and as
// a user who sees a part of them.
func BenchmarkList(b *testing.B) {
	for _, kind := range []struct {
		name string
		open func(testing.TB) *store.DB
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.Postgres}} {
		b.Run(kind.name, func(b *testing.B) {
			c := newCloud(b, kind.open(b))
			ctx, tables := context.Background(), sqlstore.Tables()
			for first := 0; first < 10_000; first += 1000 {
				err := c.db.Write(ctx, func(tx *store.Tx) error {
					for n := first; n < first+1000; n++ {
						size := int64(n) << 20
						img := &image.Image{
							ID: ids.New(), Name: fmt.Sprintf("image-%05d", n), Owner: []string{"p-alice", "p-bob", "p-carol"}[n%3],
							Status: image.Active, Visibility: []image.Visibility{image.Private, image.Public, image.Shared, image.Community}[n%4],
							DiskFormat: "qcow2", ContainerFormat: "bare", Size: &size, CreatedAt: time.Unix(int64(n), 0), UpdatedAt: time.Unix(int64(n), 0),
							Properties: map[string]string{"os_distro": "debian", "hw_disk_bus": "virtio"}, Tags: []string{"a", "b"},
							Locations: []image.Location{{ID: ids.New(), Store: "file", URL: "file:///x/" + strconv.Itoa(n), Status: "active", Metadata: map[string]any{"store": "file"}}},
						}
						if err := tables.Images.Insert(ctx, tx, img); err != nil {
							return err
						}
						for name, value := range img.Properties {
							if err := tables.Properties.Insert(ctx, tx, &image.PropertyRow{ImageID: img.ID, Name: name, Value: value}); err != nil {
								return err
							}
						}
						for _, tag := range img.Tags {
							if err := tables.Tags.Insert(ctx, tx, &image.TagRow{ImageID: img.ID, Value: tag}); err != nil {
								return err
							}
						}
						for _, l := range img.Locations {
							if err := tables.Locations.Insert(ctx, tx, &image.LocationRow{Location: l, ImageID: img.ID}); err != nil {
								return err
							}
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			for name, query := range map[string]string{
				"first page": "", "page of 100 by name": "limit=100&sort=name:asc", "by property": "os_distro=debian&limit=25",
				"by tag": "tag=a", "by name": "name=image-05000", "by size": "sort=size:desc&size_min=1000000000",
			} {
				for _, who := range []string{"admin", "alice"} {
					b.Run(name+" as "+who, func(b *testing.B) {
						for b.Loop() {
							c.As(who).Want(200, "GET", "/v2/images?"+query, nil)
						}
					})
				}
			}
		})
	}
}

// BenchmarkTransfer moves one large image in and out, beside what the same disk
// and processor do with plain tools in the same run. KUMOI_BENCH_BYTES sets the
// size, 2 GiB by default; KUMOI_BENCH_DIR the place.
func BenchmarkTransfer(b *testing.B) {
	size := int64(2 << 30)
	if text := os.Getenv("KUMOI_BENCH_BYTES"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		size = n
	}
	dir := os.Getenv("KUMOI_BENCH_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	files, err := file.New(filepath.Join(dir, "store"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(filepath.Join(dir, "store")) })
	c := newCloud(b, storetest.SQLite(b), func(d *image.Deps) { d.Stores = []image.NamedStore{{ID: "file", Backend: files}} })
	source := filepath.Join(dir, "source")
	write(b, source, size)
	b.Cleanup(func() { os.Remove(source) })

	tool := func(name string, args ...string) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, out)
				}
			}
		})
	}
	tool("sha512sum", "sha512sum", source)
	tool("md5sum", "md5sum", source)
	tool("dd to disk", "dd", "if="+source, "of="+filepath.Join(dir, "copy"), "bs=1M", "conv=fsync")
	tool("cp", "cp", "--reflink=never", source, filepath.Join(dir, "copy"))
	os.Remove(filepath.Join(dir, "copy"))

	var last string
	b.Run("upload", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			b.StopTimer()
			if last != "" {
				c.As("alice").Want(204, "DELETE", "/v2/images/"+last, nil)
			}
			last = c.create("alice")
			f, err := os.Open(source)
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			c.As("alice").Want(204, "PUT", "/v2/images/"+last+"/file", io.Reader(f))
			f.Close()
		}
	})
	b.Run("download", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			req, err := http.NewRequest("GET", c.url+"/v2/images/"+last+"/file", nil)
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("X-Auth-Token", "alice")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				b.Fatal(err)
			}
			n, err := io.CopyBuffer(sink{}, resp.Body, make([]byte, 1<<20))
			resp.Body.Close()
			if err != nil || n != size {
				b.Fatalf("%d bytes, %v", n, err)
			}
		}
	})
	b.Run("memory at 20 transfers", func(b *testing.B) {
		for b.Loop() {
			before := resident(b)
			peak := before
			var wg sync.WaitGroup
			done := make(chan struct{})
			for i := range 20 {
				id := c.create("alice")
				wg.Go(func() {
					r := io.LimitReader(endless{byte(i)}, 64<<20)
					c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/file", r)
				})
			}
			go func() { wg.Wait(); close(done) }()
			for running := true; running; {
				select {
				case <-done:
					running = false
				case <-time.After(20 * time.Millisecond):
					peak = max(peak, resident(b))
				}
			}
			b.ReportMetric(float64(peak-before)/(1<<20), "MiB-more")
		}
	})
}

type sink struct{}

func (sink) Write(p []byte) (int, error) { return len(p), nil }

type endless struct{ b byte }

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.b + byte(i)
	}
	return len(p), nil
}

func write(b *testing.B, path string, size int64) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	part := backendtest.Noise(16 << 20)
	if _, err := io.Copy(f, io.LimitReader(&repeat{part: part, r: bytes.NewReader(part)}, size)); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
}

type repeat struct {
	part []byte
	r    *bytes.Reader
}

func (r *repeat) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err == io.EOF { //nolint:errorlint // of bytes.Reader
		r.part[0]++
		r.r.Reset(r.part)
		return r.r.Read(p)
	}
	return n, err
}

// resident is this process's memory in bytes.
func resident(b *testing.B) int64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib << 10
		}
	}
	b.Skip("no VmRSS")
	return 0
}

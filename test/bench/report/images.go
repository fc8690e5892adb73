package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"kumoi/test/bench"
)

// transfers measures what moving images costs beside what cannot be avoided on
// the same disk in the same run, and a page of a long list.
func transfers(ctx context.Context, o options) ([]*table, error) {
	listen, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := up(ctx, o, listen, fakes...)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	idle := p.resident() // before the first login, whose hash takes memory of its own
	admin, err := p.client(ctx)
	if err != nil {
		return nil, err
	}
	b := &imageBench{ctx: ctx, p: p, admin: admin, dir: o.dir, size: int64(o.gib * (1 << 30)), idle: idle}
	single, err := b.single()
	if err != nil {
		return nil, err
	}
	tables := []*table{single}
	memory, err := b.parallel()
	if err != nil {
		return tables, err
	}
	list, err := b.list(o.images)
	return append(tables, memory, list), err
}

type imageBench struct {
	ctx   context.Context //nolint:containedctx // lives as long as one run
	p     *process
	admin *bench.Client
	dir   string
	size  int64
	idle  float64 // MiB resident before any transfer
}

// work is a piece of work that was timed.
type work struct {
	name string
	took time.Duration
}

func slowest(list ...work) work {
	out := list[0]
	for _, w := range list {
		if w.took > out.took {
			out = w
		}
	}
	return out
}

// shell times a command.
func (b *imageBench) shell(name, script string) (work, error) {
	fmt.Fprintln(os.Stderr, "bench:", name)
	cmd := exec.CommandContext(b.ctx, "bash", "-ec", script)
	cmd.Dir = b.dir
	start := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return work{}, fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return work{name, time.Since(start)}, nil
}

// single moves one large image up and down.
func (b *imageBench) single() (*table, error) {
	t := &table{
		title: fmt.Sprintf("Transfer of %.1f GiB", float64(b.size)/(1<<30)),
		head:  []string{"work", "took", "rate", "slowest unavoidable part", "share of its speed", "target", "compared"},
	}
	add := func(w work, parts ...work) {
		row := []string{w.name, ms(w.took), fmt.Sprintf("%.0f MiB/s", float64(b.size)/(1<<20)/w.took.Seconds()), "", "", "", ""}
		if len(parts) > 0 {
			s := slowest(parts...)
			share := s.took.Seconds() / w.took.Seconds()
			row[3], row[4], row[5], row[6] = s.name, fmt.Sprintf("%.0f %%", 100*share), "80 %", atLeast(share, 0.8)
		}
		t.add(row...)
	}
	source := filepath.Join(b.dir, "source")
	if err := noise(source, b.size); err != nil {
		return nil, err
	}
	defer os.Remove(source)
	var done []work
	for _, c := range []struct{ name, script string }{
		{"sha512sum", "sha512sum source"},
		{"md5sum", "md5sum source"},
		{"dd to the disk", "dd if=source of=copy bs=4M conv=fsync; rm copy"},
		{"cp, with sync", "cp source copy; sync copy; rm copy"},
		{"dd from the disk", "dd if=source of=/dev/null bs=4M iflag=direct"},
	} {
		w, err := b.shell(c.name, c.script)
		if err != nil {
			return nil, err
		}
		done = append(done, w)
		add(w)
	}
	sha, md5, dd, cp, read := done[0], done[1], done[2], done[3], done[4]
	id, up, err := b.upload(source)
	if err != nil {
		return nil, err
	}
	add(work{"upload", up}, sha, md5, dd)
	for _, d := range []struct {
		name, to string
		parts    []work
	}{
		{"download, bytes thrown away", "", []work{read}},
		{"download to a file, with sync", filepath.Join(b.dir, "got"), []work{read, dd, cp}},
	} {
		fmt.Fprintln(os.Stderr, "bench:", d.name)
		took, err := b.download(id, d.to)
		if err != nil {
			return nil, err
		}
		add(work{d.name, took}, d.parts...)
	}
	t.notes = append(t.notes, "An upload hashes with SHA-512 and MD5 and writes to the disk before it answers; client and cloud share the machine.")
	_, err = b.admin.Do(b.ctx, "DELETE", "/image/v2/images/"+id, nil, nil)
	return t, err
}

// noise writes a file that does not compress, and has it on the disk.
func noise(name string, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	_, _ = rand.Read(block)
	for at := int64(0); at < size; at += int64(len(block)) {
		copy(block, fmt.Sprintf("%020d", at)) // no two blocks are the same
		if _, err := f.Write(block[:min(int64(len(block)), size-at)]); err != nil {
			return err
		}
	}
	return f.Sync()
}

// upload registers an image and sends its bytes.
func (b *imageBench) upload(file string) (id string, took time.Duration, err error) {
	var image struct{ ID string }
	if _, err := b.admin.Do(b.ctx, "POST", "/image/v2/images", map[string]any{
		"name": "bench", "disk_format": "raw", "container_format": "bare",
	}, &image); err != nil {
		return "", 0, err
	}
	f, err := os.Open(file)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	start := time.Now()
	resp, err := b.raw("PUT", image.ID, f)
	if err != nil {
		return "", 0, err
	}
	return image.ID, time.Since(start), resp.Body.Close()
}

// download reads an image's bytes into a file, or to nowhere.
func (b *imageBench) download(id, file string) (time.Duration, error) {
	start := time.Now()
	resp, err := b.raw("GET", id, nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if file == "" {
		_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, make([]byte, 1<<20))
		return time.Since(start), err
	}
	f, err := os.Create(file)
	if err != nil {
		return 0, err
	}
	defer os.Remove(file)
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{resp.Body}, make([]byte, 1<<20))
	return time.Since(start), errors.Join(err, f.Sync(), f.Close())
}

// raw sends a request for an image's bytes through a connection with large buffers.
func (b *imageBench) raw(method, id string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(b.ctx, method, b.admin.URL+"/image/v2/images/"+id+"/file", body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Auth-Token", b.admin.Token)
	if f, ok := body.(*os.File); ok {
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		req.ContentLength = info.Size()
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	resp, err := (&http.Transport{WriteBufferSize: 1 << 20, ReadBufferSize: 1 << 20, DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		resp.Body.Close()
		return nil, fmt.Errorf("%s of image %s: %s %s", method, id, resp.Status, text)
	}
	return resp, nil
}

// parallel weighs the process while many transfers run at once.
func (b *imageBench) parallel() (*table, error) {
	const many = 20
	t := &table{title: fmt.Sprintf("Memory with %d transfers at once", many), head: []string{"what", "measured", "target", "compared"}}
	source := filepath.Join(b.dir, "small")
	if err := noise(source, min(b.size/16, 128<<20)); err != nil {
		return nil, err
	}
	defer os.Remove(source)
	t.add("resident, idle", fmt.Sprintf("%.0f MiB", b.idle), "", "")
	ids := make([]string, many)
	for _, phase := range []struct {
		name string
		op   func(ctx context.Context, i int) error
	}{
		{"uploads", func(_ context.Context, i int) (err error) { ids[i], _, err = b.upload(source); return err }},
		{"downloads", func(_ context.Context, i int) error { _, err := b.download(ids[i], ""); return err }},
	} {
		fmt.Fprintf(os.Stderr, "bench: %d %s at once\n", many, phase.name)
		peak := b.p.watchPeak()
		s, err := bench.Repeat(b.ctx, many, many, phase.op)
		most := peak()
		if err != nil {
			return t, err
		}
		t.add(fmt.Sprintf("at most, %d %s at once (%s)", many, phase.name, ms(s.Took)), fmt.Sprintf("%.0f MiB", most), "", "")
		t.add("  more than idle", fmt.Sprintf("%.0f MiB", most-b.idle), "under 64 MiB", atMost(max(most-b.idle, 1), 64))
	}
	for _, id := range ids {
		if _, err := b.admin.Do(b.ctx, "DELETE", "/image/v2/images/"+id, nil, nil); err != nil {
			return t, err
		}
	}
	return t, nil
}

// list registers very many images and reads pages of them.
func (b *imageBench) list(count int) (*table, error) {
	t := &table{
		title: fmt.Sprintf("Lists of %d images", count),
		head:  []string{"operation", "runs", "p50", "p99", "rate", "per core", "target", "compared"},
	}
	m := &meter{ctx: b.ctx, p: b.p, admin: b.admin}
	register := func(ctx context.Context, i int) error {
		_, err := b.admin.Do(ctx, "POST", "/image/v2/images", map[string]any{
			"name": fmt.Sprint("many-", i), "disk_format": "raw", "container_format": "bare", "tags": []string{"bench"}, "os_distro": "debian",
		}, nil)
		return err
	}
	s, spent, err := m.run(fmt.Sprintf("%d images registered", count), count, 4, register)
	if err != nil {
		return t, err
	}
	t.rate("register an image", s, spent, 0, 0)
	for _, l := range []struct{ name, path string }{
		{"one page, 25 images", "/image/v2/images"},
		{"one page, 100 images", "/image/v2/images?limit=100"},
		{"one page by name and tag", "/image/v2/images?name=many-4&tag=bench"},
		{"one page, sorted by name", "/image/v2/images?sort=name:asc"},
	} {
		s, spent, err := m.run(l.name, 300, 1, func(ctx context.Context, _ int) error {
			_, err := b.admin.Do(ctx, "GET", l.path, nil, nil)
			return err
		})
		if err != nil {
			return t, err
		}
		t.latency(l.name, s, spent, 10*time.Millisecond)
	}
	t.notes = append(t.notes, fmt.Sprintf("Resident memory afterwards: %.0f MiB.", b.p.resident()))
	return t, nil
}

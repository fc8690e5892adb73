// Package catalogue knows the official cloud images of distributions by name:
// where they are, how their hash is told, and what to say of them when they
// are registered. It downloads and verifies; registering is its caller's.
package catalogue

import (
	"bufio"
	"context"
	"crypto/md5" //nolint:gosec // some publish nothing better
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
)

// Entry is one official image.
type Entry struct {
	Name  string
	Title string
	// URL is where the data is; {arch} stands for the distribution's word for
	// the architecture.
	URL string
	// Sums is the list of hashes, relative to URL.
	Sums string
	// Arches maps our words for architectures to the distribution's.
	Arches     map[string]string
	DiskFormat string
	MinDisk    int // GiB
	MinRAM     int // MiB
	Properties map[string]string
}

var (
	debianArches = map[string]string{"x86_64": "amd64", "aarch64": "arm64"}
	plainArches  = map[string]string{"x86_64": "x86_64", "aarch64": "aarch64"}
)

func linux(distro, version, user string) map[string]string {
	return map[string]string{
		"os_type": "linux", "os_distro": distro, "os_version": version, "os_admin_user": user,
		"hw_disk_bus": "virtio", "hw_vif_model": "virtio", "hw_rng_model": "virtio", "hw_qemu_guest_agent": "no",
	}
}

// List returns all entries by name.
func List() []Entry {
	debian := func(version, code string) Entry {
		return Entry{
			Name: "debian-" + version, Title: "Debian " + version + " (" + code + ")", Arches: debianArches, DiskFormat: "qcow2", MinDisk: 2, MinRAM: 256,
			URL:  "https://cloud.debian.org/images/cloud/" + code + "/latest/debian-" + version + "-genericcloud-{arch}.qcow2",
			Sums: "SHA512SUMS", Properties: linux("debian", version, "debian"),
		}
	}
	ubuntu := func(version, code string) Entry {
		return Entry{
			Name: "ubuntu-" + version, Title: "Ubuntu " + version + " LTS (" + code + ")", Arches: debianArches, DiskFormat: "qcow2", MinDisk: 4, MinRAM: 512,
			URL:  "https://cloud-images.ubuntu.com/" + code + "/current/" + code + "-server-cloudimg-{arch}.img",
			Sums: "SHA256SUMS", Properties: linux("ubuntu", version, "ubuntu"),
		}
	}
	list := []Entry{
		debian("12", "bookworm"), debian("13", "trixie"), ubuntu("22.04", "jammy"), ubuntu("24.04", "noble"),
		{
			Name: "rocky-9", Title: "Rocky Linux 9", Arches: plainArches, DiskFormat: "qcow2", MinDisk: 10, MinRAM: 1024,
			URL:  "https://dl.rockylinux.org/pub/rocky/9/images/{arch}/Rocky-9-GenericCloud-Base.latest.{arch}.qcow2",
			Sums: "CHECKSUM", Properties: linux("rocky", "9", "rocky"),
		},
		{
			Name: "almalinux-9", Title: "AlmaLinux 9", Arches: plainArches, DiskFormat: "qcow2", MinDisk: 10, MinRAM: 1024,
			URL:  "https://repo.almalinux.org/almalinux/9/cloud/{arch}/images/AlmaLinux-9-GenericCloud-latest.{arch}.qcow2",
			Sums: "CHECKSUM", Properties: linux("almalinux", "9", "almalinux"),
		},
		{
			Name: "cirros-0.6.2", Title: "CirrOS 0.6.2, a small image for tests", Arches: plainArches, DiskFormat: "qcow2", MinDisk: 1, MinRAM: 128,
			URL:  "https://download.cirros-cloud.net/0.6.2/cirros-0.6.2-{arch}-disk.img",
			Sums: "MD5SUMS", Properties: linux("cirros", "0.6.2", "cirros"),
		},
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Find returns the entry of a name.
func Find(name string) (Entry, error) {
	var names []string
	for _, e := range List() {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return Entry{}, errs.New(errs.NotFound, "There is no image %q in the catalogue; it knows %s.", name, strings.Join(names, ", "))
}

// At is the entry on a mirror: base takes the place of the maker's server, the
// path stays. The list of hashes comes from there too.
func (e Entry) At(base string) (Entry, error) {
	u, err := url.Parse(e.URL)
	if err != nil {
		return e, err
	}
	m, err := url.Parse(base)
	if err != nil || m.Host == "" || m.Scheme != "http" && m.Scheme != "https" {
		return e, errs.New(errs.Invalid, "The mirror %q is not an http or https URL.", base)
	}
	e.URL = strings.TrimSuffix(base, "/") + u.Path
	return e, nil
}

// Attributes are what the image is registered with.
func (e Entry) Attributes(arch string) map[string]any {
	out := map[string]any{
		"name": e.Name, "disk_format": e.DiskFormat, "container_format": "bare", "min_disk": e.MinDisk, "min_ram": e.MinRAM, "architecture": arch,
	}
	for k, v := range e.Properties {
		out[k] = v
	}
	return out
}

// Fetch writes the image to w and verifies it. If it returns an error what was
// written is worth nothing. progress, if not nil, is told the bytes so far and
// the whole, which is -1 if the server does not tell.
func (e Entry) Fetch(ctx context.Context, c *http.Client, arch string, w io.Writer, progress func(done, total int64)) error {
	word, ok := e.Arches[arch]
	if !ok {
		return errs.New(errs.Invalid, "%s is not published for the architecture %q.", e.Title, arch)
	}
	u := strings.ReplaceAll(e.URL, "{arch}", word)
	want, err := e.published(ctx, c, u)
	if err != nil {
		return err
	}
	body, total, err := get(ctx, c, u)
	if err != nil {
		return err
	}
	defer body.Close()
	sum := want.algorithm()
	if err := transfer(io.MultiWriter(w, sum), body, total, progress); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want.digest {
		return errs.New(errs.Invalid, "The image from %s is not what its maker published: its hash is %s, not %s.", u, got, want.digest)
	}
	return nil
}

func transfer(w io.Writer, r io.Reader, total int64, progress func(done, total int64)) error {
	buf := make([]byte, 1<<20)
	var done int64
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return werr
			}
			if done += int64(n); progress != nil {
				progress(done, total)
			}
		}
		if err == io.EOF { //nolint:errorlint // io.Reader's contract
			break
		}
		if err != nil {
			return errs.Wrap(errs.Unavailable, err, "The download broke off after %d bytes.", done)
		}
	}
	if total >= 0 && done != total {
		return errs.New(errs.Unavailable, "The download broke off after %d of %d bytes.", done, total)
	}
	return nil
}

func get(ctx context.Context, c *http.Client, u string) (io.ReadCloser, int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, 0, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, 0, errs.Wrap(errs.Unavailable, err, "%s cannot be reached.", u)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, 0, errs.New(errs.Unavailable, "%s answers %s.", u, resp.Status)
	}
	return resp.Body, resp.ContentLength, nil
}

// sum is a published hash.
type sum struct {
	digest    string
	algorithm func() hash.Hash
}

// published finds the image's hash in its maker's list.
func (e Entry) published(ctx context.Context, c *http.Client, u string) (sum, error) {
	list := u[:strings.LastIndex(u, "/")+1] + e.Sums
	body, _, err := get(ctx, c, list)
	if err != nil {
		return sum{}, err
	}
	defer body.Close()
	name := path.Base(u)
	lines := bufio.NewScanner(io.LimitReader(body, 1<<20))
	for lines.Scan() {
		if s, ok := parseSum(lines.Text(), name); ok {
			return s, nil
		}
	}
	if err := lines.Err(); err != nil {
		return sum{}, errs.Wrap(errs.Unavailable, err, "The list of hashes at %s cannot be read.", list)
	}
	return sum{}, errs.New(errs.Unavailable, "The list of hashes at %s does not name %s.", list, name)
}

// parseSum reads a line of either form: "HASH  FILE" or "SHA256 (FILE) = HASH".
func parseSum(line, name string) (sum, bool) {
	var digest string
	if _, rest, ok := strings.Cut(line, "("+name+") = "); ok {
		digest = strings.TrimSpace(rest)
	} else if f := strings.Fields(line); len(f) == 2 && strings.TrimPrefix(f[1], "*") == name {
		digest = f[0]
	}
	digest = strings.ToLower(digest)
	if _, err := hex.DecodeString(digest); err != nil {
		return sum{}, false
	}
	algorithm := map[int]func() hash.Hash{32: md5.New, 64: sha256.New, 128: sha512.New}[len(digest)]
	return sum{digest, algorithm}, algorithm != nil
}

// String describes the entry in one line.
func (e Entry) String() string { return fmt.Sprintf("%-16s %s", e.Name, e.Title) }

package main

import (
	"bytes"
	"context"
	"crypto/sha512"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

	"kumoi/test/apptest"
)

// An official image is fetched from a mirror, verified, and registered with
// what is known of it; one that is not what was published is not.
func TestImageFetch(t *testing.T) {
	disk := make([]byte, 1<<16)
	copy(disk, "QFI\xfb\x00\x00\x00\x03")
	disk[23], disk[28], disk[103] = 16, 1, 104 // clusters of 64 KiB, a disk of 16 MiB, a header of version 3
	published := disk
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path.Base(r.URL.Path) {
		case "SHA512SUMS":
			fmt.Fprintf(w, "%x  debian-12-genericcloud-amd64.qcow2\n", sha512.Sum512(published))
		case "debian-12-genericcloud-amd64.qcow2":
			_, _ = w.Write(disk)
		default:
			http.NotFound(w, r)
		}
	}))
	defer mirror.Close()
	c := apptest.New(t)
	fetch := func() error {
		cmd := imageFetchCmd{Name: "debian-12", Arch: "x86_64", From: mirror.URL}
		cmd.Config = c.Config
		return cmd.Run(context.Background())
	}
	list := func() []images.Image {
		t.Helper()
		s := c.Admin()
		pages, err := images.List(s.Image, images.ListOpts{Name: "debian-12"}).AllPages(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all, err := images.ExtractImages(pages)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if err := fetch(); err != nil {
		t.Fatal(err)
	}
	got := list()
	if len(got) != 1 || got[0].Status != "active" || got[0].DiskFormat != "qcow2" || got[0].Properties["os_distro"] != "debian" ||
		got[0].Properties["os_admin_user"] != "debian" || got[0].Visibility != "public" || got[0].SizeBytes != 1<<16 {
		t.Errorf("registered: %+v", got)
	}
	published = bytes.Repeat([]byte("other"), 100)
	if err := fetch(); err == nil || !strings.Contains(err.Error(), "not what its maker published") {
		t.Errorf("other data than published: %v", err)
	}
	if n := len(list()); n != 1 {
		t.Errorf("%d images are registered", n)
	}
	if left, _ := filepath.Glob(filepath.Join(c.Config.DataDir, "fetch-*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

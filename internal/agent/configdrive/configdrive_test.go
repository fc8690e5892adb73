package configdrive_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kumoi/internal/agent/configdrive"
)

var files = map[string][]byte{
	"openstack/latest/meta_data.json":     []byte(`{"uuid": "x"}`),
	"openstack/latest/user_data":          []byte(strings.Repeat("#!/bin/sh\n", 1000)),
	"openstack/2012-08-10/meta_data.json": []byte(`{"uuid": "x"}`),
	"openstack/content/0000":              {0, 1, 2},
	"ec2/latest/meta-data.json":           []byte(`{}`),
	"ec2/latest/meta_data.json":           []byte(`{"the same": "when shortened"}`),
}

// TestOthersReadIt has another implementation read the drive back, by both
// kinds of names.
func TestOthersReadIt(t *testing.T) {
	isoinfo, err := exec.LookPath("isoinfo")
	if err != nil {
		t.Skip("isoinfo is not installed (genisoimage)")
	}
	path := filepath.Join(t.TempDir(), "config.iso")
	if err := configdrive.Write(path, files, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(isoinfo, append([]string{"-i", path}, args...)...).Output()
		if err != nil {
			t.Fatalf("isoinfo %v: %v", args, err)
		}
		return string(out)
	}
	if d := run("-d"); !strings.Contains(d, "Volume id: config-2\n") || !strings.Contains(d, "Joliet with UCS level 3") || !strings.Contains(d, "Rock Ridge signatures version 1") {
		t.Errorf("the volume is described as\n%s", d)
	}
	for _, kind := range []string{"-R", "-J"} {
		list := run(kind, "-f")
		for name, want := range files {
			if !strings.Contains(list, "/"+name) {
				t.Errorf("%s: %s is missing from\n%s", kind, name, list)
				continue
			}
			if got := run(kind, "-x", "/"+name); got != string(want) && kind == "-R" {
				t.Errorf("%s: %s has %d bytes, want %d", kind, name, len(got), len(want))
			}
		}
	}
}

func TestSameContentIsNotWrittenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.iso")
	at := time.Unix(1, 0)
	inode := func(files map[string][]byte) os.FileInfo {
		t.Helper()
		if err := configdrive.Write(path, files, at); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	first := inode(files)
	if !os.SameFile(first, inode(files)) {
		t.Error("the same drive was written again")
	}
	if os.SameFile(first, inode(map[string][]byte{"a": nil})) {
		t.Error("another drive was not written")
	}
}

func TestRefusedPaths(t *testing.T) {
	for _, path := range []string{"", "/a", "a//b", "../a", "a/" + strings.Repeat("x", 65)} {
		if _, err := configdrive.Image(map[string][]byte{path: nil}, time.Now()); err == nil {
			t.Errorf("%q was accepted", path)
		}
	}
	if _, err := configdrive.Image(map[string][]byte{"a": nil, "a/b": nil}, time.Now()); err == nil {
		t.Error("a file was accepted as a directory")
	}
}

func TestDirectoryOfManySectors(t *testing.T) {
	many := map[string][]byte{}
	for i := range 200 {
		many["openstack/content/"+strings.Repeat("n", 20)+string(rune('a'+i%26))+strings.Repeat("m", i/26)] = []byte{byte(i)}
	}
	image, err := configdrive.Image(many, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	isoinfo, err := exec.LookPath("isoinfo")
	if err != nil {
		t.Skip("isoinfo is not installed (genisoimage)")
	}
	path := filepath.Join(t.TempDir(), "many.iso")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(isoinfo, "-i", path, "-R", "-f").Output()
	if n := strings.Count(string(out), "/openstack/content/"); err != nil || n != 200 {
		t.Errorf("%d of 200 files are listed: %v", n, err)
	}
}

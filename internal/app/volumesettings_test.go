package app

import (
	"strings"
	"testing"
)

func TestVolumeBackendsAreChecked(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"name=nas,type=nfs,share=192.0.2.1:/v":                        "",
		"name=nas,type=nfs,path=/mnt/v":                               "",
		"name=file,type=file,reserved-percent=10,over-subscription=2": "",
		"name=ceph,type=rbd,pool=volumes,user=kumoi":                  "",
		"name=ceph,type=rbd":                                          "needs a pool",
		"name=ceph,type=rbd,pool=volumes,conf=ceph.conf":              "no absolute path",
		"name=other,type=file":                                        "the host's own files",
		"name=file,type=nfs,path=/mnt/v":                              "the host's own files",
		"name=a-name-that-is-too-long,type=nfs,path=/mnt/v":           "at most 15",
		"name=nas,type=nfs":                                           "needs a share",
		"name=nas,type=nfs,share=192.0.2.1:/v,path=/mnt/v":            "needs a share",
		"name=nas,type=nfs,share=192.0.2.1":                           "not HOST:/PATH",
		"name=nas,type=nfs,path=mnt":                                  "not absolute",
		"name=nas,type=nfs,path=/mnt/v,options=soft":                  "a mount that is not ours",
		"name=nas,type=nfs,path=/mnt/v,reserved-percent=101":          "between 0 and 100",
		"name=nas,type=nfs,path=/mnt/v,over-subscription=0.5":         "at least 1",
	} {
		var b VolumeBackend
		if err := b.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		err := (&VolumeSettings{Backends: []VolumeBackend{b}}).validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	twice := VolumeBackend{Name: "nas", Type: "nfs", Path: "/mnt/v"}
	if err := (&VolumeSettings{Backends: []VolumeBackend{twice, twice}}).validate(); err == nil {
		t.Error("two backends of one name")
	}
	for text, want := range map[string]string{"name=a,type=iscsi": "must be", "name=a,type=nfs,pool=x": `no key "pool"`, "name": "not key=value"} {
		var b VolumeBackend
		if err := b.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

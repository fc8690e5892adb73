package app

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"

	"kumoi/internal/agent/volume"
	"kumoi/internal/kernel/errs"
)

// VolumeSettings are what a person can set about where volumes lie.
type VolumeSettings struct {
	Backends []VolumeBackend `name:"backends" env:"BACKENDS" sep:";" help:"Where volumes may lie besides the host's own files, several separated by ';', each as 'name=NAME,type=nfs|rbd,…'; docs/volume-backends.md lists the keys. Every host has its own setting."`
}

// VolumeBackend is a backend of volumes as a person describes it: a list of
// key=value on the command line and in the environment, a map in the file.
type VolumeBackend struct {
	Name, Type string

	Share, Options, Path string // nfs
	Pool, User, Conf     string // rbd

	ReservedPercent  int
	OverSubscription float64
}

// volumeKeys are the keys of each type of backend, beside those that all have.
var volumeKeys = settingKeys{
	what:   "a volume backend",
	common: []string{"name", "type", "reserved-percent", "over-subscription"},
	types:  map[string][]string{"file": {}, "nfs": {"share", "options", "path"}, "rbd": {"pool", "user", "conf"}},
	order:  "file, nfs or rbd",
}

// field is where a key's value goes.
func (b *VolumeBackend) field(key string) any {
	return map[string]any{
		"name": &b.Name, "type": &b.Type, "reserved-percent": &b.ReservedPercent, "over-subscription": &b.OverSubscription,
		"share": &b.Share, "options": &b.Options, "path": &b.Path, "pool": &b.Pool, "user": &b.User, "conf": &b.Conf,
	}[key]
}

// UnmarshalText reads name=…,type=…,key=value.
func (b *VolumeBackend) UnmarshalText(text []byte) error {
	*b = VolumeBackend{}
	return volumeKeys.text(string(text), b.field)
}

// UnmarshalJSON reads a map of keys, or the text of UnmarshalText.
func (b *VolumeBackend) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		return b.UnmarshalText([]byte(text))
	}
	*b = VolumeBackend{}
	return volumeKeys.json(data, b.field)
}

// backendName is short: it is part of sockets' paths, which have little room.
var backendName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$`)

// validate checks what can be told without asking a backend.
func (s *VolumeSettings) validate() error {
	seen := map[string]bool{}
	for _, b := range s.Backends {
		if seen[b.Name] {
			return errs.New(errs.Invalid, "volume-backends: two backends have the name %q", b.Name)
		}
		seen[b.Name] = true
		if why := b.wrong(); why != "" {
			return errs.New(errs.Invalid, "volume-backends: backend %q %s", b.Name, why)
		}
	}
	return nil
}

// wrong says what a backend's description lacks; "" if nothing.
func (b *VolumeBackend) wrong() string {
	switch {
	case !backendName.MatchString(b.Name):
		return "has no name of at most 15 letters, digits, dots and dashes"
	case (b.Type == "file") != (b.Name == "file"):
		return `is confused: the host's own files are the backend "file" of the type file, and nothing else is`
	case b.ReservedPercent < 0 || b.ReservedPercent > 100:
		return "reserves a part that is not between 0 and 100 percent"
	case b.OverSubscription != 0 && b.OverSubscription < 1:
		return "promises less than its room: over-subscription is at least 1"
	case b.Type == "rbd" && b.Pool == "":
		return "needs a pool"
	case b.Type == "rbd" && b.Conf != "" && !filepath.IsAbs(b.Conf):
		return "has a conf that is no absolute path"
	case b.Type != "nfs":
		return ""
	case (b.Share == "") == (b.Path == ""):
		return "needs a share, HOST:/PATH, or the path where one is mounted"
	case b.Share != "" && !strings.Contains(b.Share, ":/"):
		return "has a share that is not HOST:/PATH"
	case b.Path != "" && !filepath.IsAbs(b.Path):
		return "has a path that is not absolute"
	case b.Path != "" && b.Options != "":
		return "has options for a mount that is not ours"
	}
	return ""
}

// settings are the backends as the agent takes them.
func (s *VolumeSettings) settings() []volume.Setting {
	var out []volume.Setting
	for _, b := range s.Backends {
		out = append(out, volume.Setting{
			Name: b.Name, Driver: b.Type, ReservedPercent: b.ReservedPercent, OverSubscription: b.OverSubscription,
			NFS: volume.NFS{Share: b.Share, Options: b.Options, Path: b.Path}, RBD: volume.RBD{Pool: b.Pool, User: b.User, Conf: b.Conf},
		})
	}
	return out
}

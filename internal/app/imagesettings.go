package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"kumoi/internal/image"
	"kumoi/internal/image/backend"
	"kumoi/internal/image/backend/file"
	"kumoi/internal/image/backend/rbd"
	"kumoi/internal/image/backend/s3"
	"kumoi/internal/image/backend/web"
	"kumoi/internal/image/webget"
	"kumoi/internal/kernel/errs"
)

// ImageSettings are what a person can set about images. What is left out, or
// zero, is as image.DefaultConfig has it.
type ImageSettings struct {
	Stores        []ImageStore      `name:"stores" env:"STORES" sep:";" help:"Where images' data may lie, several separated by ';', each as 'id=NAME,type=file|s3|rbd|http,…'; docs/images.md lists the keys (default: files below the data directory, and the web to read from)."`
	DefaultStore  string            `name:"default-store" env:"DEFAULT_STORE" help:"The store that data goes to unless a request names another (default: the first)."`
	ShowLocations bool              `name:"show-locations" env:"SHOW_LOCATIONS" help:"Show where an image's data lies in its record, to those whom the policy lets see it, and let them change that by patches."`
	SizeCapGiB    int64             `name:"size-cap-gib" env:"SIZE_CAP_GIB" help:"How large one image's data may be, in GiB (default: 1024)."`
	DiskCapGiB    int64             `name:"disk-cap-gib" env:"DISK_CAP_GIB" help:"How large a disk an image may claim to be, in GiB (default: 8192)."`
	StrictFormats bool              `name:"strict-formats" env:"STRICT_FORMATS" help:"Refuse data that lacks the signature of the format it is declared to have."`
	ImportMethods []string          `name:"import-methods" env:"IMPORT_METHODS" help:"Import methods to offer (default: glance-direct,web-download,copy-image,glance-download)."`
	Convert       string            `name:"convert" env:"CONVERT" enum:"none,raw,qcow2" default:"none" help:"Turn imported data into this disk format: raw, qcow2, or none, which leaves it as it is."`
	Decompress    bool              `name:"decompress" env:"DECOMPRESS" help:"Unpack imported data that is compressed by gzip."`
	Inject        map[string]string `name:"inject" env:"INJECT" help:"Properties that imports of ordinary users give to images, as name=value;name=value."`
	StoreCacheGiB *int64            `name:"store-cache-gib" env:"STORE_CACHE_GIB" help:"How much of the disk the control plane's copies of images from remote stores may take, in GiB; 0 keeps none (default: 10)."`
	WebHosts      []string          `name:"web-hosts" env:"WEB_HOSTS" help:"The only host names that image imports by web-download may reach (default: any that have public addresses)."`
	CopyProps     []string          `name:"copy-properties" env:"COPY_PROPERTIES" help:"Properties that glance-download takes along from another region; a trailing * stands for anything."`
}

// config is what the image service is told.
func (s *ImageSettings) config(cfg *Config) (image.Config, error) {
	c := image.DefaultConfig(cfg.path("image"))
	c.Node, c.ShowLocations, c.StrictFormats = cfg.Host, s.ShowLocations, s.StrictFormats
	c.DefaultStore, c.Decompress, c.Inject, c.WebHosts = s.DefaultStore, s.Decompress, s.Inject, s.WebHosts
	if s.Convert != "none" {
		c.Convert = s.Convert
	}
	if cfg.Region != "" {
		c.Region = cfg.Region
	}
	if s.SizeCapGiB > 0 {
		c.SizeCap = s.SizeCapGiB << 30
	}
	if s.DiskCapGiB > 0 {
		c.VirtualSizeCap = s.DiskCapGiB << 30
	}
	if s.StoreCacheGiB != nil {
		c.CacheSize = *s.StoreCacheGiB << 30
	}
	if len(s.ImportMethods) > 0 {
		c.ImportMethods = s.ImportMethods
	}
	if len(s.CopyProps) > 0 {
		c.CopyProperties = s.CopyProps
	}
	for _, text := range cfg.WebAllow {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return c, err
		}
		c.WebAllow = append(c.WebAllow, p)
	}
	return c, c.Validate()
}

// validate checks what can be told without asking a store.
func (s *ImageSettings) validate() error {
	seen := map[string]bool{}
	for i := range s.Stores {
		if err := s.Stores[i].validate(); err != nil {
			return err
		}
		if seen[s.Stores[i].ID] {
			return errs.New(errs.Invalid, "image-stores: two stores have the id %q", s.Stores[i].ID)
		}
		seen[s.Stores[i].ID] = true
	}
	if s.DefaultStore != "" && len(s.Stores) > 0 && !seen[s.DefaultStore] {
		return errs.New(errs.Invalid, "image-default-store: no store has the id %q; there are %s", s.DefaultStore, strings.Join(slices.Sorted(maps.Keys(seen)), ", "))
	}
	return nil
}

// ImageStore is one store of images' data as a person describes it: a list of
// key=value on the command line and in the environment, a map in the file.
type ImageStore struct {
	ID, Type, Description string
	Weight                int

	Path string // file

	// s3
	Endpoint, Region, Bucket, Prefix, AccessKey, SecretKey, SecretFile string

	CreateBucket bool
	PartSizeMiB  int

	// rbd
	Pool, User, Conf, FSID string
	ChunkSizeMiB           int
}

// storeKeys are the keys of each type of store, beside those that all have.
var storeKeys = settingKeys{
	what:   "an image store",
	common: []string{"id", "type", "description", "weight"},
	types: map[string][]string{
		"file": {"path"},
		"s3":   {"endpoint", "region", "bucket", "prefix", "access-key", "secret-key", "secret-file", "create-bucket", "part-size-mib"},
		"rbd":  {"pool", "user", "conf", "fsid", "chunk-size-mib"},
		"http": {},
	},
	order: "file, s3, rbd or http",
}

// field is where a key's value goes.
func (s *ImageStore) field(key string) any {
	return map[string]any{
		"id": &s.ID, "type": &s.Type, "description": &s.Description, "weight": &s.Weight, "path": &s.Path,
		"endpoint": &s.Endpoint, "region": &s.Region, "bucket": &s.Bucket, "prefix": &s.Prefix, "access-key": &s.AccessKey,
		"secret-key": &s.SecretKey, "secret-file": &s.SecretFile, "create-bucket": &s.CreateBucket, "part-size-mib": &s.PartSizeMiB,
		"pool": &s.Pool, "user": &s.User, "conf": &s.Conf, "fsid": &s.FSID, "chunk-size-mib": &s.ChunkSizeMiB,
	}[key]
}

// UnmarshalText reads id=…,type=…,key=value.
func (s *ImageStore) UnmarshalText(text []byte) error {
	*s = ImageStore{}
	return storeKeys.text(string(text), s.field)
}

// UnmarshalJSON reads a map of keys, or the text of UnmarshalText.
func (s *ImageStore) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		return s.UnmarshalText([]byte(text))
	}
	*s = ImageStore{}
	return storeKeys.json(b, s.field)
}

var storeID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// validate checks what can be told without asking the store.
func (s *ImageStore) validate() error {
	bad := func(format string, args ...any) error {
		return errs.New(errs.Invalid, "image-stores: "+format, args...)
	}
	missing := func(key, value string) error {
		if value == "" {
			return bad("store %s, which is of type %s, lacks its %s", s.ID, s.Type, key)
		}
		return nil
	}
	switch {
	case !storeID.MatchString(s.ID):
		return bad("a store's id %q is not a name of letters, digits, dots and dashes", s.ID)
	case s.Type == "file":
		if !filepath.IsAbs(s.Path) {
			return bad("the path %q of store %s is not absolute", s.Path, s.ID)
		}
	case s.Type == "s3":
		if s.SecretKey != "" && s.SecretFile != "" {
			return bad("store %s has a secret-key and a secret-file: give one", s.ID)
		}
		return cmp.Or(missing("endpoint", s.Endpoint), missing("bucket", s.Bucket), missing("access-key", s.AccessKey))
	case s.Type == "rbd":
		return missing("pool", s.Pool)
	}
	return nil
}

// open makes the store's backend. It asks nobody: a store that is away must not
// keep the cloud from starting.
func (s *ImageStore) open(ctx context.Context, rules webget.Rules) (backend.Backend, error) {
	switch s.Type {
	case "s3":
		return s3.New(s3.Config{
			Endpoint: s.Endpoint, Region: s.Region, Bucket: s.Bucket, Prefix: s.Prefix, AccessKey: s.AccessKey, SecretKey: s.SecretKey,
			SecretFile: s.SecretFile, CreateBucket: s.CreateBucket, PartSize: int64(s.PartSizeMiB) << 20,
		})
	case "rbd":
		return rbd.New(ctx, rbd.Config{Conf: s.Conf, User: s.User, Pool: s.Pool, FSID: s.FSID, ChunkSize: s.ChunkSizeMiB})
	case "http":
		return web.New(rules), nil
	default:
		return file.New(s.Path)
	}
}

// openImageStores opens the stores of the settings; without any there is one of
// files, and the web to read from.
func openImageStores(ctx context.Context, cfg *Config) ([]image.NamedStore, error) {
	stores := cfg.Images.Stores
	if len(stores) == 0 {
		stores = []ImageStore{
			{ID: "file", Type: "file", Description: "files below the data directory", Path: cfg.path("image", "store")},
			{ID: "web", Type: "http", Description: "places on the web, read only"},
		}
	}
	rules, err := cfg.Images.config(cfg)
	if err != nil {
		return nil, err
	}
	var out []image.NamedStore
	for _, s := range stores {
		b, err := s.open(ctx, webget.Rules{Allow: rules.WebAllow, Hosts: rules.WebHosts})
		if err != nil {
			return nil, fmt.Errorf("image store %s: %w", s.ID, err)
		}
		out = append(out, image.NamedStore{ID: s.ID, Description: s.Description, Weight: s.Weight, Backend: b})
	}
	return out, nil
}

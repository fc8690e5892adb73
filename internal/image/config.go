package image

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"kumoi/internal/image/backend"
)

// Config is what an operator may set; DefaultConfig says what is set without.
type Config struct {
	// DataDir holds staged data and the cache.
	DataDir string
	// DefaultStore is the store that data goes to unless a request says otherwise;
	// "" means the first.
	DefaultStore string
	// SizeCap bounds one image's data in bytes.
	SizeCap int64
	// VirtualSizeCap bounds the disk that an image claims to be, in bytes.
	VirtualSizeCap int64
	// MaxProperties, MaxTags, MaxMembers and MaxLocations bound what belongs to one image.
	MaxProperties, MaxTags, MaxMembers, MaxLocations int
	// PageDefault and PageMax are the lengths of a list.
	PageDefault, PageMax int
	// StrictFormats refuses data that is declared to have a format with a
	// signature but lacks it. Data with the signature of another format is
	// always refused.
	StrictFormats bool
	// ShowLocations shows images' locations in their records and lets those
	// who may set them do so by patches.
	ShowLocations bool
	// Lease is how long data may be written without a sign of life.
	Lease time.Duration
	// ImportMethods are offered by the import API.
	ImportMethods []string
	// Convert makes imports turn data into this disk format: "raw", "qcow2"; "" leaves it.
	Convert string
	// Decompress makes imports unpack gzip data.
	Decompress bool
	// Inject are properties that imports of ordinary users add to images.
	Inject map[string]string
	// WebAllow lists networks that web-download may reach although they are
	// private or local; WebHosts, if not empty, are the only host names allowed.
	WebAllow []netip.Prefix
	WebHosts []string
	// Region is this cloud's own name among regions.
	Region string
	// CopyProperties names the properties that glance-download takes along.
	// A trailing "*" stands for anything.
	CopyProperties []string
	// CacheSize bounds the cache of images from remote stores, in bytes; 0 turns it off.
	CacheSize int64
	// TaskLife is how long a finished task is shown.
	TaskLife time.Duration
	// Node names this process among the nodes that cache images.
	Node string
}

// DefaultConfig returns the configuration of a new cloud whose data is in dir.
func DefaultConfig(dir string) Config {
	return Config{
		DataDir: dir, SizeCap: 1 << 40, VirtualSizeCap: 8 << 40,
		MaxProperties: 128, MaxTags: 128, MaxMembers: 128, MaxLocations: 10,
		PageDefault: 25, PageMax: 1000, Lease: 20 * time.Second,
		ImportMethods:  []string{"glance-direct", "web-download", "copy-image", "glance-download"},
		CopyProperties: []string{"hw_*", "trait:*", "os_distro", "os_secure_boot", "os_type"},
		CacheSize:      10 << 30, TaskLife: 48 * time.Hour, Node: "kumoi", Region: "RegionOne",
	}
}

// Validate tells what is wrong with the configuration.
func (c *Config) Validate() error {
	if !filepath.IsAbs(c.DataDir) {
		return fmt.Errorf("image: data directory %q is not an absolute path", c.DataDir)
	}
	if !slices.Contains([]string{"", "raw", "qcow2"}, c.Convert) {
		return fmt.Errorf("image: convert: %q is not raw, qcow2 or empty", c.Convert)
	}
	for _, m := range c.ImportMethods {
		if !slices.Contains([]string{"glance-direct", "web-download", "copy-image", "glance-download"}, m) {
			return fmt.Errorf("image: there is no import method %q", m)
		}
	}
	return nil
}

// NamedStore is a backend under the id that the API knows it by.
type NamedStore struct {
	ID          string
	Description string
	Weight      int // of two stores that hold an image, the heavier is read
	Backend     backend.Backend
}

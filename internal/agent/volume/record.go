package volume

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"kumoi/internal/hostapi"
)

// record is what the backend knows of a volume: the content of volume.json.
type record struct {
	ID      string `json:"id"`
	SizeGiB int    `json:"size_gib"`
	// Header is what LUKS keeps before the disk's first byte; 0: not encrypted.
	Header  int64  `json:"header,omitempty"`
	KeyHash string `json:"key_hash,omitempty"`
	// Base is the format of the image below the lowest layer; "": none.
	Base string `json:"base,omitempty"`
	// Image is the name of that image in a shared backend, which many may be based on.
	Image string `json:"image,omitempty"`
	// Depth is of how many clones, one of the other, the volume is one.
	Depth   int               `json:"depth,omitempty"`
	Layers  []layer           `json:"layers"` // the lowest first; the last is written to
	Next    int               `json:"next"`   // number of the next layer
	Clients map[string]client `json:"clients,omitempty"`
	// Server is the host that serves them, of those that a shared backend has.
	Server string               `json:"server,omitempty"`
	Limits hostapi.VolumeLimits `json:"limits"`
	// Copied says that a copy has all the bytes and goes on in the volume's place: its
	// clients are shut out, or writes would be lost.
	Copied bool `json:"copied,omitempty"`
	// Bitmap is the backup since which the last layer's bitmap marks changes.
	Bitmap string `json:"bitmap,omitempty"`
}

// layer is a file of a volume.
type layer struct {
	N        int    `json:"n"`
	Format   string `json:"format"`             // raw or qcow2
	Snapshot string `json:"snapshot,omitempty"` // that it is; "" also once that was deleted
	Released string `json:"released,omitempty"` // the name of a snapshot that nobody manages
	SizeGiB  int    `json:"size_gib,omitempty"` // of the snapshot
}

// client is one that may open the volume.
type client struct {
	Host     string `json:"host"`
	ReadOnly bool   `json:"read_only,omitempty"`
	Port     int    `json:"port,omitempty"` // of the gateway, for one on another host
	Key      []byte `json:"key,omitempty"`
}

func (l layer) file() string { return fmt.Sprintf("layer-%d", l.N) }
func (l layer) node() string { return fmt.Sprintf("l%d", l.N) }

func (r *record) active() layer { return r.Layers[len(r.Layers)-1] }

// bytes is how large the stored disk is, with LUKS' header.
func (r *record) bytes() int64 { return int64(r.SizeGiB)<<30 + r.Header }

// snapshot is the layer that a snapshot is; -1 if there is none.
func (r *record) snapshot(id string) int {
	return slices.IndexFunc(r.Layers, func(l layer) bool { return l.Snapshot == id && id != "" })
}

// released is the layer that a snapshot is which nobody manages; -1 if there is none.
func (r *record) released(name string) int {
	return slices.IndexFunc(r.Layers, func(l layer) bool { return l.Released == name && name != "" })
}

// kept tells whether a layer is a snapshot, whoever manages it.
func (l layer) kept() bool { return l.Snapshot != "" || l.Released != "" }

func (r *record) snapshots() int {
	n := 0
	for _, l := range r.Layers {
		if l.Snapshot != "" {
			n++
		}
	}
	return n
}

// grow adds a layer to write to.
func (r *record) grow(format string) layer {
	l := layer{N: r.Next, Format: format}
	r.Next++
	r.Layers = append(r.Layers, l)
	return l
}

func hashOf(e *hostapi.VolumeEncryption) string {
	sum := sha256.Sum256(append([]byte("kumoi volume key "), e.Key...))
	return hex.EncodeToString(sum[:])
}

func parseRecord(id string, data []byte) (*record, error) {
	r := &record{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("record of volume %s: %w", id, err)
	}
	if len(r.Layers) == 0 {
		return nil, fmt.Errorf("record of volume %s: it has no layer", id)
	}
	if r.Clients == nil {
		r.Clients = map[string]client{}
	}
	return r, nil
}

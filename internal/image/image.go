package image

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
)

// Status is where an image is in its life.
type Status string

// The statuses of an image.
const (
	Queued      Status = "queued"      // a record without data
	Saving      Status = "saving"      // an upload is under way
	Uploading   Status = "uploading"   // data is being, or has been, staged
	Importing   Status = "importing"   // an import is under way
	Active      Status = "active"      // its data is there
	Deactivated Status = "deactivated" // only administrators may read its data
	Deleted     Status = "deleted"
)

var nextStatus = map[Status][]Status{
	Queued:      {Saving, Uploading, Importing, Active, Deleted},
	Saving:      {Active, Deleted, Queued},
	Uploading:   {Importing, Queued, Deleted},
	Importing:   {Active, Deleted, Queued},
	Active:      {Deleted, Deactivated},
	Deactivated: {Active, Deleted},
}

// Visibility is who may see an image beside its owner.
type Visibility string

// The visibilities of an image.
const (
	Private   Visibility = "private"
	Shared    Visibility = "shared" // with its members
	Community Visibility = "community"
	Public    Visibility = "public"
)

// DiskFormats and ContainerFormats are what an image may declare itself to be.
var (
	DiskFormats      = []string{"ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "ploop", "iso", "gpt", "luks"}
	ContainerFormats = []string{"ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"}
)

// Image is one image's record.
type Image struct {
	ID              string
	Name            string
	Owner           string
	Status          Status
	Visibility      Visibility
	ContainerFormat string
	DiskFormat      string
	Size            *int64 // of the data in bytes; nil while there is none
	VirtualSize     *int64 // of the disk a guest sees; nil when unknown
	Checksum        string // md5, for old clients
	HashAlgo        string
	HashValue       string
	MinDisk         int64 // GiB
	MinRAM          int64 // MiB
	Protected       bool
	Hidden          bool
	CreatedAt       time.Time
	UpdatedAt       time.Time
	Properties      map[string]string
	Tags            []string
	Locations       []Location
	// Feeder is the part of the cloud that fills the image, "" for its owner.
	Feeder string
	// Generation counts the record's changes; a stale one cannot be saved.
	Generation int64
	// MemberID is the project for which the image was looked up, if the image
	// is shared with it.
	MemberID string
}

// Location is one copy of an image's data.
type Location struct {
	ID       string
	Store    string // the store's id; "" for a bare URL
	URL      string
	Metadata map[string]any
	Status   string // "active"
}

// Stores returns the ids of the stores that hold the image.
func (img *Image) Stores() []string {
	var out []string
	for _, l := range img.Locations {
		if l.Store != "" {
			out = append(out, l.Store)
		}
	}
	return out
}

// setStatus moves the image along, or says why it cannot.
func (img *Image) setStatus(to Status) error {
	if !slices.Contains(nextStatus[img.Status], to) {
		return errs.New(errs.Conflict, "Image status transition from %s to %s is not allowed", img.Status, to)
	}
	if (img.Status == Queued || img.Status == Uploading) && (to == Saving || to == Active || to == Importing) {
		var missing []string
		if img.DiskFormat == "" {
			missing = append(missing, "disk_format")
		}
		if img.ContainerFormat == "" {
			missing = append(missing, "container_format")
		}
		if len(missing) > 0 {
			return errs.New(errs.Invalid, "Properties %s must be set prior to saving data.", strings.Join(missing, ", "))
		}
	}
	if to == Queued {
		img.Size, img.VirtualSize = nil, nil
		img.Checksum, img.HashAlgo, img.HashValue = "", "", ""
	}
	img.Status = to
	return nil
}

// target is the image as policy rules see it.
func (img *Image) target() policy.Target {
	t := policy.Target{
		"project_id": img.Owner, "owner": img.Owner, "visibility": string(img.Visibility),
		"image_id": img.ID, "status": string(img.Status),
	}
	if img.MemberID != "" {
		t["member_id"] = img.MemberID
	}
	return t
}

// notFound is what anybody is told of an image that is absent or not theirs to know.
func notFound(id string) error {
	return errs.New(errs.NotFound, "No image found with ID %s", quotable(id))
}

// quotable makes a caller's text fit to be repeated in a message.
func quotable(s string) string {
	if len(s) > 255 {
		s = s[:255] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

// Member is a project an image is shared with.
type Member struct {
	ImageID   string
	MemberID  string
	Status    string // pending, accepted, rejected
	CreatedAt time.Time
	UpdatedAt time.Time
}

func (img *Image) String() string { return fmt.Sprintf("image %s (%s)", img.ID, img.Status) }

package image

import (
	"context"
	"time"

	"kumoi/internal/image/metadef"
	"kumoi/internal/kernel/store"
)

// Tables are where families are kept that need no more than a table.
type Tables struct{ Members *store.Table[Member] }

// Store is the other persistence that images need; package sqlstore is it. Methods
// report a missing row with NotFound and know nothing of policy.
type Store interface {
	// Images. CreateImage reports Exists if the id is, or ever was, taken; SaveImage writes
	// the whole record with its properties, tags and locations if its generation
	// is still the stored one, else Conflict. project is whose membership is
	// looked up for Image.MemberID.
	CreateImage(ctx context.Context, tx *store.Tx, img *Image) error
	Image(ctx context.Context, tx *store.Tx, id, project string) (*Image, error)
	Images(ctx context.Context, tx *store.Tx, q Query) ([]*Image, error)
	SaveImage(ctx context.Context, tx *store.Tx, img *Image) error
	DeleteImage(ctx context.Context, tx *store.Tx, id string) error

	// Data being written, and data to be removed.
	AddUpload(ctx context.Context, tx *store.Tx, u Upload) error
	RenewUpload(ctx context.Context, tx *store.Tx, url string, until time.Time) error
	DeleteUpload(ctx context.Context, tx *store.Tx, url string) error
	// ExpireUploads ends the leases of a process that has just begun: it holds none.
	ExpireUploads(ctx context.Context, tx *store.Tx, node string) error
	ExpiredUploads(ctx context.Context, tx *store.Tx, now time.Time) ([]Upload, error)
	AddGarbage(ctx context.Context, tx *store.Tx, g Garbage) error
	DueGarbage(ctx context.Context, tx *store.Tx, now time.Time, limit int) ([]Garbage, error)
	DelayGarbage(ctx context.Context, tx *store.Tx, g Garbage) error
	DeleteGarbage(ctx context.Context, tx *store.Tx, id string) error
	// URLInUse tells whether some image or upload still has a location with the URL.
	URLInUse(ctx context.Context, tx *store.Tx, url string) (bool, error)

	// Usage counts what a project has, for its quotas.
	Usage(ctx context.Context, tx *store.Tx, project string) (Usage, error)

	TaskStore
	CacheStore
	metadef.Store
}

// Upload is data on its way into a store: the place is known before the first
// byte is written. Whoever writes renews the lease; an expired one is cleaned up.
type Upload struct {
	URL        string
	Store      string
	ImageID    string
	Node       string // who writes
	LeaseUntil time.Time
}

// Garbage is data that no image has any more.
type Garbage struct {
	ID        string
	Store     string
	URL       string
	ImageID   string
	NotBefore time.Time
	Attempts  int
}

// Usage is what a project's images take, in the units of its quotas.
type Usage struct {
	SizeTotal      int64 // bytes in stores, each copy counted
	StageTotal     int64 // bytes staged
	CountTotal     int64
	CountUploading int64
}

// Query selects a page of images.
type Query struct {
	// Everything is for administrators: no scope but what Visibility says.
	Everything   bool
	Project      string
	MemberStatus string     // of images shared with Project: accepted, pending, rejected, all
	Visibility   Visibility // "" as a user expects; "all" with others' community images too
	Filters      []Filter
	Tags         []string // all of them
	Sort         []SortKey
	Marker       *Image // the last image of the page before
	Limit        int
}

// Filter compares one attribute, or one property, of an image.
type Filter struct {
	Field    string
	Property bool
	Op       string // eq, neq, gt, gte, lt, lte, in
	Values   []any  // one; several with in
}

// SortKey is one attribute to sort by.
type SortKey struct {
	Field string
	Desc  bool
}

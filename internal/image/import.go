package image

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/image/webget"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// Properties by which an image shows its import's progress.
const (
	propTask      = "os_glance_import_task"
	propImporting = "os_glance_importing_to_stores"
	propFailed    = "os_glance_failed_import"
)

// Imports bring images' bytes from elsewhere, in the background.
type Imports struct{ s *Service }

// ImportRequest asks for an image to be filled, or copied to more stores.
type ImportRequest struct {
	Method         string // glance-direct, web-download, copy-image, glance-download
	URI            string // of web-download
	Region         string // of glance-download, like the next two
	RemoteImageID  string
	Interface      string
	Stores         []string // empty: the default store, or StoreHeader
	AllStores      bool
	AllMustSucceed bool
	StoreHeader    string         // the store that the upload's header names
	Body           map[string]any // the request as the task will show it
	Token          string         // of the actor, for other regions; never stored
}

// Create starts an import and returns when it is on record.
func (f *Imports) Create(ctx context.Context, id string, r ImportRequest) error {
	if !slices.Contains(f.s.cfg.ImportMethods, r.Method) {
		return errs.New(errs.Invalid, "Unknown import method name '%s'.", quotable(r.Method))
	}
	img, err := f.s.Images.Show(ctx, id)
	if err != nil {
		return err
	}
	rule := "modify_image"
	if r.Method == "copy-image" {
		rule = "copy_image"
	}
	if err := importable(img, r.Method); err != nil {
		// Whoever may not import is told so before what is wrong with the image.
		if perr := f.s.check(ctx, rule, img); perr != nil {
			return perr
		}
		return err
	}
	if err := f.s.check(ctx, rule, img); err != nil {
		return err
	}
	if err := f.checkSource(r); err != nil {
		return err
	}
	stores, err := f.stores(img, r)
	if err != nil {
		return err
	}
	if len(stores) == 0 {
		return f.already(ctx, img.ID)
	}
	t := f.s.Tasks.begun(ctx, "api_image_import", img.ID, map[string]any{
		"image_id": img.ID, "import_req": r.Body, "backend": stores,
	})
	st := importState{
		TaskID: t.ID, ImageID: img.ID, Method: r.Method, URI: r.URI, Region: r.Region, RemoteImageID: r.RemoteImageID,
		Interface: r.Interface, Stores: stores, AllMustSucceed: r.AllMustSucceed,
	}
	if r.Token != "" && r.Method == "glance-download" {
		f.s.tokens.Store(t.ID, r.Token)
	}
	to := Importing
	if r.Method == "copy-image" {
		to = Active
	}
	if err := f.begin(ctx, t, st, to); err != nil {
		f.s.tokens.Delete(t.ID)
		return err
	}
	f.s.Images.audit(ctx, "import", img)
	return nil
}

// already marks an image that is to be copied to all stores and is in
// all of them, so that who waits for the copies sees that none is missing.
func (f *Imports) already(ctx context.Context, id string) error {
	_, err := f.s.Images.modify(ctx, id, "copy_image", func(_ *store.Tx, img *Image) error {
		img.Properties[propImporting], img.Properties[propFailed] = "", ""
		return nil
	})
	return err
}

// importable tells whether an image's state allows the method.
func importable(img *Image, method string) error {
	conflict := func(format string, args ...any) error { return errs.New(errs.Conflict, format, args...) }
	_, busy := img.Properties[propTask]
	switch {
	case img.Status == Active && method != "copy-image":
		return conflict("Image with status active cannot be target for import")
	case img.Status != Active && method == "copy-image":
		return conflict("Only images with status active can be targeted for copying")
	case busy:
		return conflict("Image has active task")
	case img.Status != Queued && (method == "web-download" || method == "glance-download"):
		return conflict("Image needs to be in 'queued' state to use '%s' method", method)
	case img.Status != Uploading && method == "glance-direct", method == "glance-direct" && img.Size == nil:
		return conflict("Image needs to be staged before 'glance-direct' method can be used")
	case img.ContainerFormat == "":
		return conflict("'container_format' needs to be set before import")
	case img.DiskFormat == "":
		return conflict("'disk_format' needs to be set before import")
	}
	return nil
}

func (f *Imports) webRules() webget.Rules {
	return webget.Rules{Allow: f.s.cfg.WebAllow, Hosts: f.s.cfg.WebHosts}
}

// checkSource refuses a source that can be told to be wrong at once.
func (f *Imports) checkSource(r ImportRequest) error {
	switch r.Method {
	case "web-download":
		_, err := f.webRules().Check(r.URI)
		return err
	case "glance-download":
		if r.Region == "" {
			return errs.New(errs.Invalid, "'glance_region' needs to be set for glance-download import method")
		}
		if r.RemoteImageID == "" {
			return errs.New(errs.Invalid, "'glance_image_id' needs to be set for glance-download import method")
		}
		if !imageID.MatchString(r.RemoteImageID) {
			return errs.New(errs.Invalid, "Remote image id does not look like a UUID: %s", quotable(r.RemoteImageID))
		}
	}
	return nil
}

// stores decides which stores the data goes to.
func (f *Imports) stores(img *Image, r ImportRequest) ([]string, error) {
	have := img.Stores()
	var out []string
	switch {
	case r.AllStores && len(r.Stores) > 0:
		return nil, errs.New(errs.Invalid, "All_stores parameter can't be used with x-image-meta-store header or stores parameter")
	case r.AllStores:
		for _, n := range f.s.stores {
			if !n.Backend.ReadOnly() && !(r.Method == "copy-image" && slices.Contains(have, n.ID)) {
				out = append(out, n.ID)
			}
		}
		return out, nil
	case len(r.Stores) == 0:
		out = []string{r.StoreHeader}
		if r.StoreHeader == "" {
			out[0] = f.s.cfg.DefaultStore
		}
	default:
		out = r.Stores
	}
	for i, id := range out {
		if _, err := f.s.Stores.writable(id); err != nil {
			return nil, errs.New(errs.Conflict, "%s", errs.As(err).Msg)
		}
		if r.Method == "copy-image" && slices.Contains(have, id) {
			return nil, errs.New(errs.Invalid, "Image is already present at store '%s'", id)
		}
		if slices.Contains(out[:i], id) {
			return nil, errs.New(errs.Invalid, "The store '%s' is named twice", id)
		}
	}
	return out, nil
}

// begin puts the task and its saga on record and moves the image, all in
// one transaction.
func (f *Imports) begin(ctx context.Context, t *Task, st importState, to Status) error {
	t.Status = "processing"
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		img, err := f.s.Images.visible(ctx, tx, st.ImageID)
		if err != nil {
			return err
		}
		if _, busy := img.Properties[propTask]; busy {
			return errs.New(errs.Conflict, "New operation on image '%s' is not permitted as prior operation is still in progress", img.ID)
		}
		if err := img.fillable(ctx); err != nil {
			return err
		}
		if err := f.s.enforce(ctx, tx, img.Owner, importNeeds(img, st)...); err != nil {
			return err
		}
		if img.Status != to {
			if err := img.setStatus(to); err != nil {
				return err
			}
		}
		img.Properties[propTask] = t.ID
		img.Properties[propImporting] = strings.Join(st.Stores, ",")
		img.Properties[propFailed] = ""
		img.UpdatedAt = f.s.now()
		if err := f.s.Images.save(ctx, tx, img); err != nil {
			return err
		}
		if err := f.s.tables.Tasks.Insert(ctx, tx, t); err != nil {
			return err
		}
		_, err = f.s.sagas.Start(ctx, tx, importKind, "image/"+img.ID, st)
		return err
	})
}

// importNeeds is what an import takes of its project's limits. The size of what
// is fetched is not known before.
func importNeeds(img *Image, st importState) []quota.Want {
	size := int64(0)
	if img.Size != nil {
		size = *img.Size * int64(len(st.Stores))
	}
	needs := []quota.Want{{Resource: "image_size_total", N: size}}
	if img.Status == Queued { // fetched to the staging area first
		needs = append(needs, quota.Want{Resource: "image_stage_total", N: 0}, quota.Want{Resource: "image_count_uploading", N: 1})
	}
	return needs
}

// importState is what an import's saga knows. It is kept in the database: a
// change of its fields needs a new version of the saga.
type importState struct {
	TaskID, ImageID string
	Method          string
	URI             string     `json:",omitempty"`
	Region          string     `json:",omitempty"`
	RemoteImageID   string     `json:",omitempty"`
	Interface       string     `json:",omitempty"`
	Claimed         Validation // of location_import
	Stores          []string
	AllMustSucceed  bool

	// Found out on the way:
	DiskFormat      string            `json:",omitempty"`
	ContainerFormat string            `json:",omitempty"`
	Properties      map[string]string `json:",omitempty"`
	VirtualSize     int64
	Size            int64
	Checksum, Hash  string
	Stored          []string `json:",omitempty"` // stores that have it
	Failed          []string `json:",omitempty"` // stores that do not
}

const importKind = "image.import"

// key names the data of this import in a store. It is the same however often
// the step runs, so that what a crash left is found again.
func (st *importState) key(storeID string) string {
	return st.ImageID + "-" + ids.Derive(st.TaskID, storeID)[:8]
}

func (s *Service) registerSagas() {
	saga.Register(s.sagas, s.Imports.saga())
	saga.Register(s.sagas, s.Locations.saga())
}

// saga fetches what is not here yet, looks at it and stores it.
func (f *Imports) saga() saga.Definition[importState] {
	local := func(st *importState) bool { return st.Method == "glance-direct" || st.Method == "copy-image" }
	copying := func(st *importState) bool { return st.Method == "copy-image" }
	return saga.Definition[importState]{
		Kind: importKind, Version: 1,
		Steps: []saga.Step[importState]{
			{Name: "fetch", Do: f.fetch, Undo: f.unstage, Skip: local, Timeout: fetchTimeout},
			{Name: "prepare", Do: f.prepare, Skip: copying, Timeout: fetchTimeout},
			{Name: "store", Do: f.store, Undo: f.discard, Timeout: fetchTimeout},
		},
		Done: f.done, Failed: f.failed,
	}
}

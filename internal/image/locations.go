package image

import (
	"context"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// Locations are where images' bytes lie, for services that may know it.
type Locations struct{ s *Service }

// Shown tells whether img's record shows its locations to the actor.
func (f *Locations) Shown(ctx context.Context, img *Image) bool {
	return f.s.cfg.ShowLocations && f.s.policy.Allowed(ctx, "get_image_location", img.target())
}

// List lists an image's locations, for services.
func (f *Locations) List(ctx context.Context, id string) ([]Location, error) {
	img, err := f.s.Images.Show(ctx, id)
	if err != nil {
		return nil, err
	}
	return img.Locations, f.s.check(ctx, "fetch_image_location", img)
}

// apply is the part of a patch that concerns locations.
func (f *Locations) apply(ctx context.Context, tx *store.Tx, img *Image, c Change) error {
	rule := "set_image_location"
	if c.Op == "remove" {
		rule = "delete_image_location"
	}
	if err := f.s.check(ctx, rule, img); err != nil {
		return err
	}
	if !f.s.cfg.ShowLocations {
		return errs.New(errs.Forbidden, "It's not allowed to %s locations if locations are invisible.", c.Op)
	}
	if c.Op == "replace" {
		if list, ok := c.Value.([]any); ok && len(list) == 0 {
			return errs.New(errs.Forbidden, "Cannot set locations to empty list.")
		}
	}
	if img.Status != Active && (img.Status != Queued || c.Op == "remove") {
		return errs.New(errs.Conflict, "It's not allowed to %s locations if image status is %s.", c.Op, img.Status)
	}
	if err := img.fillable(ctx); err != nil {
		return err
	}
	switch c.Op {
	case "remove":
		return f.remove(ctx, tx, img, c.Path[1])
	case "replace":
		return f.replace(ctx, img, c.Value)
	default:
		return f.add(ctx, img, c.Path[1], c.Value)
	}
}

func (f *Locations) remove(ctx context.Context, tx *store.Tx, img *Image, at string) error {
	if len(img.Locations) == 1 {
		return errs.New(errs.Forbidden, "Cannot remove last location in the image.")
	}
	i, err := position(at, len(img.Locations)-1)
	if err != nil {
		return errs.New(errs.Invalid, "Invalid position for removing a location.")
	}
	return f.s.Stores.dropLocation(ctx, tx, img, i)
}

func (f *Locations) add(ctx context.Context, img *Image, at string, v any) error {
	loc, check, err := f.parse(v, nil)
	if err != nil {
		return err
	}
	i, err := position(at, len(img.Locations))
	if err != nil {
		return errs.New(errs.Invalid, "Invalid position for adding a location.")
	}
	if slices.ContainsFunc(img.Locations, func(l Location) bool { return l.URL == loc.URL }) {
		return errs.New(errs.Invalid, "The location %s already exists", quotable(loc.URL))
	}
	if err := img.claim(check); err != nil {
		return err
	}
	img.Locations = slices.Insert(img.Locations, i, loc)
	return f.activate(ctx, img)
}

// replace gives a queued image its locations, or changes the metadata
// and the order of those that an active one has. To take one away there is
// remove, which has a rule of its own.
func (f *Locations) replace(ctx context.Context, img *Image, v any) error {
	list, ok := v.([]any)
	if !ok {
		return mismatch("locations", "a list of locations")
	}
	old := img.Locations
	img.Locations = nil
	for _, item := range list {
		loc, check, err := f.parse(item, old)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(img.Locations, func(l Location) bool { return l.URL == loc.URL }) {
			return errs.New(errs.Invalid, "The location %s is given twice", quotable(loc.URL))
		}
		if len(old) > 0 && !slices.ContainsFunc(old, func(l Location) bool { return l.URL == loc.URL }) {
			return errs.New(errs.Invalid, "Locations of an image that has some cannot be replaced by others: %s is new", quotable(loc.URL))
		}
		if err := img.claim(check); err != nil {
			return err
		}
		img.Locations = append(img.Locations, loc)
	}
	if len(img.Locations) < len(old) {
		return errs.New(errs.Invalid, "Locations of an image cannot be left out; use remove.")
	}
	return f.activate(ctx, img)
}

// activate makes a queued image active once it has a location.
func (f *Locations) activate(ctx context.Context, img *Image) error {
	if img.Status != Queued {
		return nil
	}
	if err := img.setStatus(Active); err != nil {
		return err
	}
	b, err := f.s.Stores.of(img.Locations[0])
	if err != nil {
		return err
	}
	// Asked in the request's transaction, so the store has little time; without
	// an answer the size stays unknown.
	obj, err := b.Open(ctx, img.Locations[0].URL)
	if err == nil {
		size := obj.Size()
		img.Size = &size
		obj.Close()
	}
	return nil
}

// parse reads a location of a request: one of those that the image has,
// or a new one. Only URLs of stores that are read only by nature may be new:
// one in a store of ours is given by an upload alone, for whoever may name any
// object could read everybody's.
func (f *Locations) parse(v any, have []Location) (Location, Validation, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return Location{}, Validation{}, mismatch("locations", "objects with url and metadata")
	}
	text, _ := m["url"].(string)
	meta, ok := m["metadata"].(map[string]any)
	if !ok || text == "" {
		return Location{}, Validation{}, mismatch("locations", "objects with url and metadata")
	}
	var loc Location
	if i := slices.IndexFunc(have, func(l Location) bool { return l.URL == text }); i >= 0 {
		loc = have[i]
		loc.Metadata = map[string]any{"store": loc.Store}
	} else {
		var err error
		if loc, err = f.foreign(text); err != nil {
			return loc, Validation{}, err
		}
	}
	for k, v := range meta {
		if k != "store" {
			loc.Metadata[k] = v
		}
	}
	check, err := parseValidation(m["validation_data"])
	return loc, check, err
}

// foreign is a location outside of our stores, at a URL.
func (f *Locations) foreign(text string) (Location, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || len(text) > 4096 {
		return Location{}, errs.New(errs.Invalid, "The Store URI was malformed: %s", quotable(text))
	}
	for _, n := range f.s.stores {
		if n.Backend.ReadOnly() && n.Backend.Owns(text) {
			return Location{ID: ids.New(), Store: n.ID, URL: text, Status: "active", Metadata: map[string]any{"store": n.ID}}, nil
		}
	}
	return Location{}, errs.New(errs.Invalid, "Invalid location: no store of this cloud takes locations like %s from outside.", quotable(text))
}

// Validation is what somebody claims of data at a location.
type Validation struct {
	Checksum, HashAlgo, HashValue string
}

func parseValidation(v any) (Validation, error) {
	var out Validation
	if v == nil {
		return out, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return out, mismatch("validation_data", "an object")
	}
	for k, v := range m {
		text, ok := v.(string)
		if !ok {
			return out, mismatch("validation_data", "an object of texts")
		}
		switch k {
		case "checksum":
			out.Checksum = strings.ToLower(text)
		case "os_hash_algo":
			out.HashAlgo = text
		case "os_hash_value":
			out.HashValue = strings.ToLower(text)
		default:
			return out, mismatch("validation_data", "an object with os_hash_algo, os_hash_value and checksum only")
		}
	}
	if out.HashAlgo == "" && out.HashValue != "" {
		out.HashAlgo = hashAlgo
	}
	if out.HashAlgo != "" && out.HashAlgo != hashAlgo {
		return out, errs.New(errs.Conflict, "os_hash_algo must be %s, not %s", hashAlgo, quotable(out.HashAlgo))
	}
	if !hexDigits(out.HashValue, 128) {
		return out, errs.New(errs.Invalid, "os_hash_value (%s) is not 128 hexadecimal digits", quotable(out.HashValue))
	}
	if !hexDigits(out.Checksum, 32) {
		return out, errs.New(errs.Invalid, "checksum (%s) is not 32 hexadecimal digits", quotable(out.Checksum))
	}
	return out, nil
}

// hexDigits tells whether s is a hash of n digits; none at all is well.
func hexDigits(s string, n int) bool {
	_, err := hex.DecodeString(s)
	return s == "" || err == nil && len(s) == n
}

// claim takes over what is claimed of a queued image's data; an image that has
// values already keeps them, and other ones are a conflict.
func (img *Image) claim(v Validation) error {
	for _, c := range []struct {
		name, value string
		dst         *string
	}{{"checksum", v.Checksum, &img.Checksum}, {"os_hash_algo", v.HashAlgo, &img.HashAlgo}, {"os_hash_value", v.HashValue, &img.HashValue}} {
		switch {
		case c.value == "" || c.value == *c.dst:
		case *c.dst != "":
			return errs.New(errs.Conflict, "%s is already set with a different value", c.name)
		case img.Status != Queued:
			return errs.New(errs.Conflict, "New value(s) for %s may only be provided when image status is 'queued'", c.name)
		default:
			*c.dst = c.value
		}
	}
	return nil
}

// position reads an index into the locations, "-" being the last one.
func position(text string, last int) (int, error) {
	if text == "-" {
		return last, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > last {
		return 0, errs.New(errs.Invalid, "Invalid position.")
	}
	return n, nil
}

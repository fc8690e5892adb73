package image

import (
	"context"
	"errors"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Images are images as records: what they are called, whose they are, and whether they may be used.
type Images struct{ s *Service }

// Show returns an image that the actor may see.
func (f *Images) Show(ctx context.Context, id string) (*Image, error) {
	var img *Image
	err := f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		img, err = f.visible(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return img, f.s.check(ctx, "get_image", img)
}

// visible loads an image if the actor may know of it: an administrator, the
// owner, a member, or anybody if it is public or a community image.
func (f *Images) visible(ctx context.Context, tx *store.Tx, id string) (*Image, error) {
	img, err := f.s.tables.Images.Get(ctx, tx, id)
	if err == nil {
		err = f.membership(ctx, tx, img)
	}
	if errs.Is(err, errs.NotFound) {
		return nil, notFound(id)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case img.Visibility == Public, img.Visibility == Community,
		img.Owner != "" && img.Owner == actor.From(ctx).ProjectID,
		img.MemberID != "",
		f.s.admin(ctx):
		return img, nil
	}
	return nil, notFound(id)
}

// membership notes on others' shared images whether the actor's project is a member.
func (f *Images) membership(ctx context.Context, tx *store.Tx, images ...*Image) error {
	project := actor.From(ctx).ProjectID
	byID, ids := map[string]*Image{}, []string(nil)
	for _, img := range images {
		if img.Visibility == Shared && img.Owner != project {
			byID[img.ID], ids = img, append(ids, img.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	members, err := f.s.tables.Members.All(ctx, tx, store.In("image_id", ids), store.Eq("member_id", project))
	for _, m := range members {
		byID[m.ImageID].MemberID = project
	}
	return err
}

// List returns a page of the images that the actor may see. Conditions on
// "visibility" and "member_status" are relative to the actor; both know the
// word "all".
func (f *Images) List(ctx context.Context, q store.Query) (page store.Page[Image], err error) {
	if err := f.s.policy.Check(ctx, "get_images", own(ctx)); err != nil {
		return page, err
	}
	q = f.scoped(ctx, q)
	err = f.s.db.Read(ctx, func(tx *store.Tx) error {
		if page, err = f.s.tables.Images.List(ctx, tx, q); err != nil {
			return unmarked(err, q, "an image")
		}
		return f.membership(ctx, tx, page.Rows...)
	})
	return page, err
}

// unmarked words that a query's marker is not what is listed.
func unmarked(err error, q store.Query, what string) error {
	if errors.Is(err, store.ErrNoMarker) {
		return errs.New(errs.Invalid, "The marker %s is not %s.", quotable(q.Marker), what)
	}
	return err
}

// scoped turns what a request asks for into what the actor gets of it.
func (f *Images) scoped(ctx context.Context, q store.Query) store.Query {
	project := actor.From(ctx).ProjectID
	wanted, status := wantedOf(&q)
	q.Sort, q.Cap = aged(q.Sort), f.s.cfg.PageMax
	if f.s.admin(ctx) {
		return q.Filter(administered(project, wanted)...)
	}
	visible := store.Or(store.Is("of", project), store.Is("among", string(Public)), store.Is("among", string(Community)), store.Is("shared with", project))
	return q.Within(visible).Filter(listed(project, wanted, status)...)
}

// wantedOf takes the conditions that are relative to the actor out of a query.
func wantedOf(q *store.Query) (wanted Visibility, status string) {
	status = "accepted"
	q.Where = slices.DeleteFunc(slices.Clone(q.Where), func(c store.Cond) bool {
		text, _ := c.Value.(string)
		switch c.Field {
		case "visibility":
			wanted = Visibility(text)
		case "member_status":
			status = text
		default:
			return false
		}
		return true
	})
	return wanted, status
}

// administered are the images that administrators see for a visibility.
func administered(project string, wanted Visibility) []store.Cond {
	switch wanted {
	case "all":
		return nil
	case "":
		return []store.Cond{store.Or(store.Ne("visibility", string(Community)), store.Eq("owner", project))}
	}
	return []store.Cond{store.Eq("visibility", string(wanted))}
}

// listed are the images that a project sees for a visibility, those shared with
// it only where it is a member with the status.
func listed(project string, wanted Visibility, status string) []store.Cond {
	shared := store.Is("shared as", []any{project, status})
	if status == "all" {
		shared = store.Is("shared with", project)
	}
	is := store.Eq("visibility", string(wanted))
	switch wanted {
	case "":
		return []store.Cond{store.Or(store.Is("of", project), store.Is("among", string(Public)), shared)}
	case "all":
		return []store.Cond{store.Or(store.Is("of", project), store.Is("among", string(Public)), store.Is("among", string(Community)), shared)}
	case Shared:
		return []store.Cond{is, store.Or(store.Is("of", project), shared)}
	case Private:
		return []store.Cond{is, store.Eq("owner", project)}
	}
	return []store.Cond{is}
}

// aged completes an order by age, the newest first if nothing else is said.
func aged(sort []store.Sort) []store.Sort {
	if len(sort) == 0 {
		sort = []store.Sort{{Field: "created_at", Desc: true}}
	}
	desc := sort[0].Desc
	return append(slices.Clip(sort), store.Sort{Field: "created_at", Desc: desc}, store.Sort{Field: "id", Desc: desc})
}

package image

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Get returns an image that the actor may see.
func (s *Service) Get(ctx context.Context, id string) (*Image, error) {
	var img *Image
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		img, err = s.visible(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return img, s.check(ctx, "get_image", img)
}

// visible loads an image if the actor may know of it: an administrator, the
// owner, a member, or anybody if it is public or a community image.
func (s *Service) visible(ctx context.Context, tx *store.Tx, id string) (*Image, error) {
	project := actor.From(ctx).ProjectID
	img, err := s.store.Image(ctx, tx, id, project)
	if errs.Is(err, errs.NotFound) {
		return nil, notFound(id)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case img.Visibility == Public, img.Visibility == Community,
		img.Owner != "" && img.Owner == project,
		img.Visibility == Shared && img.MemberID != "",
		s.admin(ctx):
		return img, nil
	}
	return nil, notFound(id)
}

// ListRequest is what a list may be narrowed and ordered by.
type ListRequest struct {
	MemberStatus string // accepted unless set
	Visibility   Visibility
	Filters      []Filter
	Tags         []string
	Sort         []SortKey
	MarkerID     string
	Limit        int // 0 asks for nothing
}

// List returns one page of the images that the actor may see. more tells that
// the page is full, so that another may follow.
func (s *Service) List(ctx context.Context, r ListRequest) (images []*Image, more bool, err error) {
	if err := s.policy.Check(ctx, "get_images", own(ctx)); err != nil {
		return nil, false, err
	}
	q := Query{
		Everything: s.admin(ctx), Project: actor.From(ctx).ProjectID, MemberStatus: r.MemberStatus,
		Visibility: r.Visibility, Filters: r.Filters, Tags: r.Tags, Sort: r.Sort, Limit: r.Limit,
	}
	if q.MemberStatus == "" {
		q.MemberStatus = "accepted"
	}
	if len(q.Sort) == 0 {
		q.Sort = []SortKey{{Field: "created_at", Desc: true}}
	}
	if q.Limit = min(q.Limit, s.cfg.PageMax); q.Limit == 0 {
		return nil, false, nil
	}
	err = s.db.Read(ctx, func(tx *store.Tx) error {
		if r.MarkerID != "" {
			if q.Marker, err = s.visible(ctx, tx, r.MarkerID); err != nil {
				return errs.New(errs.Invalid, "The marker %s is not an image.", quotable(r.MarkerID))
			}
		}
		images, err = s.store.Images(ctx, tx, q)
		return err
	})
	return images, err == nil && len(images) == q.Limit, err
}

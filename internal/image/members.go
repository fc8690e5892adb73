package image

import (
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Members are the projects that images are shared with.
type Members struct {
	s     *Service
	table *store.Table[Member]
}

// MembersOf are the use cases, for the members of one image.
type MembersOf struct {
	*Members
	image string
}

// Of returns the use cases for an image.
func (f *Members) Of(imageID string) MembersOf { return MembersOf{f, imageID} }

// open loads the image, which must be shared, under a rule.
func (f MembersOf) open(ctx context.Context, tx *store.Tx, rule string) (*Image, error) {
	img, err := f.s.Images.visible(ctx, tx, f.image)
	if err != nil {
		return nil, err
	}
	if img.Visibility != Shared {
		return nil, errs.New(errs.Forbidden, "Only shared images have members.")
	}
	if rule == "" {
		return img, nil
	}
	return img, f.s.check(ctx, rule, img)
}

// known are the members that the actor may know of: all of them to the image's
// owner, only itself to a member.
func (f MembersOf) known(ctx context.Context, img *Image) []store.Cond {
	out := []store.Cond{store.Eq("image_id", img.ID)}
	if project := actor.From(ctx).ProjectID; img.Owner != project && !f.s.admin(ctx) {
		out = append(out, store.Eq("member_id", project))
	}
	return out
}

func (f MembersOf) find(ctx context.Context, tx *store.Tx, img *Image, memberID string) (*Member, error) {
	m, err := f.table.First(ctx, tx, append(f.known(ctx, img), store.Eq("member_id", memberID))...)
	if errs.Is(err, errs.NotFound) {
		err = f.missing(memberID)
	}
	return m, err
}

func (f MembersOf) missing(memberID string) error {
	return errs.New(errs.NotFound, "%s not found in the member list of the image %s.", quotable(memberID), f.image)
}

// List lists the members, the oldest first.
func (f MembersOf) List(ctx context.Context, q store.Query) (page store.Page[Member], err error) {
	err = f.s.db.Read(ctx, func(tx *store.Tx) error {
		img, err := f.open(ctx, tx, "get_members")
		if err != nil {
			return err
		}
		page, err = f.table.List(ctx, tx, q.Within(f.known(ctx, img)...))
		return err
	})
	return page, err
}

// Show returns one member.
func (f MembersOf) Show(ctx context.Context, memberID string) (m *Member, err error) {
	err = f.s.db.Read(ctx, func(tx *store.Tx) error {
		img, err := f.open(ctx, tx, "get_member")
		if err == nil {
			m, err = f.find(ctx, tx, img, memberID)
		}
		if errs.Is(err, errs.Forbidden) {
			return f.missing(memberID)
		}
		return err
	})
	return m, err
}

// Create shares the image with a project, which may then accept it.
func (f MembersOf) Create(ctx context.Context, memberID string) (*Member, error) {
	if memberID == "" || len([]rune(memberID)) > 255 {
		return nil, errs.New(errs.Invalid, "Member must be the id of a project: 1 to 255 characters.")
	}
	if err := checkText("member", memberID); err != nil {
		return nil, err
	}
	now := f.s.now()
	m := &Member{ImageID: f.image, MemberID: memberID, Status: "pending", CreatedAt: now, UpdatedAt: now}
	return m, f.s.db.Write(ctx, func(tx *store.Tx) error {
		if _, err := f.open(ctx, tx, "add_member"); err != nil {
			return err
		}
		of := store.Eq("image_id", f.image)
		taken, err := f.table.Any(ctx, tx, of, store.Eq("member_id", memberID))
		if err != nil {
			return err
		}
		if taken {
			return errs.New(errs.Exists, "Member %s is duplicated for image %s", memberID, f.image)
		}
		n, err := f.table.Count(ctx, tx, of)
		if err != nil {
			return err
		}
		if top := f.s.cfg.MaxMembers; int(n) >= top {
			return errs.New(errs.TooLarge, "The limit has been exceeded on the number of allowed image members for this image. Attempted: %d, Maximum: %d", n+1, top)
		}
		audit.Created(ctx, memberID)
		return f.table.Insert(ctx, tx, m)
	})
}

// Update records a member's decision about the image.
func (f MembersOf) Update(ctx context.Context, memberID, status string) (m *Member, err error) {
	if !slices.Contains([]string{"pending", "accepted", "rejected"}, status) {
		return m, errs.New(errs.Invalid, "Incorrect request: the status of a member is pending, accepted or rejected, not %q", quotable(status))
	}
	err = f.s.db.Write(ctx, func(tx *store.Tx) error {
		img, err := f.open(ctx, tx, "")
		if err != nil {
			return err
		}
		if m, err = f.find(ctx, tx, img, memberID); err != nil {
			return err
		}
		if err := f.s.check(ctx, "modify_member", img); err != nil {
			return err
		}
		m.Status, m.UpdatedAt = status, f.s.now()
		return f.table.Update(ctx, tx, m)
	})
	return m, err
}

// Delete stops sharing the image with a project.
func (f MembersOf) Delete(ctx context.Context, memberID string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		if _, err := f.open(ctx, tx, "delete_member"); err != nil {
			return err
		}
		err := f.table.Delete(ctx, tx, f.image, memberID)
		if errs.Is(err, errs.NotFound) {
			return f.missing(memberID)
		}
		return err
	})
}

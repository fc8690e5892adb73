package image

import (
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// shared loads an image that the actor may see and that can have members.
func (s *Service) shared(ctx context.Context, tx *store.Tx, id string) (*Image, error) {
	img, err := s.visible(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if img.Visibility != Shared {
		return nil, errs.New(errs.Forbidden, "Only shared images have members.")
	}
	return img, nil
}

// Members lists the projects an image is shared with: all of them to its
// owner, only itself to a member.
func (s *Service) Members(ctx context.Context, id string) ([]Member, error) {
	var members []Member
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		img, err := s.shared(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.check(ctx, "get_members", img); err != nil {
			return err
		}
		members, err = s.store.Members(ctx, tx, id)
		members = s.known(ctx, img, members)
		return err
	})
	return members, err
}

// known leaves those members that the actor may know of.
func (s *Service) known(ctx context.Context, img *Image, members []Member) []Member {
	project := actor.From(ctx).ProjectID
	if s.admin(ctx) || img.Owner == project {
		return members
	}
	return slices.DeleteFunc(members, func(m Member) bool { return m.MemberID != project })
}

// Member returns one project an image is shared with.
func (s *Service) Member(ctx context.Context, id, memberID string) (Member, error) {
	var m Member
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		img, err := s.shared(ctx, tx, id)
		if err == nil {
			err = s.check(ctx, "get_member", img)
		}
		if err == nil {
			m, err = s.member(ctx, tx, img, memberID)
		}
		if errs.Is(err, errs.Forbidden) {
			return noMember(id, memberID)
		}
		return err
	})
	return m, err
}

func noMember(id, memberID string) error {
	return errs.New(errs.NotFound, "%s not found in the member list of the image %s.", quotable(memberID), id)
}

func (s *Service) member(ctx context.Context, tx *store.Tx, img *Image, memberID string) (Member, error) {
	members, err := s.store.Members(ctx, tx, img.ID)
	if err != nil {
		return Member{}, err
	}
	members = s.known(ctx, img, members)
	i := slices.IndexFunc(members, func(m Member) bool { return m.MemberID == memberID })
	if i < 0 {
		return Member{}, noMember(img.ID, memberID)
	}
	return members[i], nil
}

// AddMember shares an image with a project, which may then accept it.
func (s *Service) AddMember(ctx context.Context, id, memberID string) (Member, error) {
	now := s.now()
	m := Member{ImageID: id, MemberID: memberID, Status: "pending", CreatedAt: now, UpdatedAt: now}
	if memberID == "" || len([]rune(memberID)) > 255 {
		return m, errs.New(errs.Invalid, "Member must be the id of a project: 1 to 255 characters.")
	}
	if err := checkText("member", memberID); err != nil {
		return m, err
	}
	err := s.db.Write(ctx, func(tx *store.Tx) error {
		img, err := s.shared(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.check(ctx, "add_member", img); err != nil {
			return err
		}
		members, err := s.store.Members(ctx, tx, id)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(members, func(m Member) bool { return m.MemberID == memberID }) {
			return errs.New(errs.Exists, "Member %s is duplicated for image %s", memberID, id)
		}
		if len(members) >= s.cfg.MaxMembers {
			return errs.New(errs.TooLarge, "The limit has been exceeded on the number of allowed image members for this image. Attempted: %d, Maximum: %d", len(members)+1, s.cfg.MaxMembers)
		}
		return s.store.AddMember(ctx, tx, m)
	})
	return m, err
}

// SetMemberStatus records a member's decision about a shared image.
func (s *Service) SetMemberStatus(ctx context.Context, id, memberID, status string) (Member, error) {
	var m Member
	if !slices.Contains([]string{"pending", "accepted", "rejected"}, status) {
		return m, errs.New(errs.Invalid, "Incorrect request: the status of a member is pending, accepted or rejected, not %q", quotable(status))
	}
	err := s.db.Write(ctx, func(tx *store.Tx) error {
		img, err := s.shared(ctx, tx, id)
		if err != nil {
			return err
		}
		if m, err = s.member(ctx, tx, img, memberID); err != nil {
			return err
		}
		if err := s.check(ctx, "modify_member", img); err != nil {
			return err
		}
		m.Status, m.UpdatedAt = status, s.now()
		return s.store.SetMemberStatus(ctx, tx, m)
	})
	return m, err
}

// RemoveMember stops sharing an image with a project.
func (s *Service) RemoveMember(ctx context.Context, id, memberID string) error {
	return s.db.Write(ctx, func(tx *store.Tx) error {
		img, err := s.shared(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.check(ctx, "delete_member", img); err != nil {
			return err
		}
		if err := s.store.DeleteMember(ctx, tx, id, memberID); err != nil {
			return noMember(id, memberID)
		}
		return nil
	})
}

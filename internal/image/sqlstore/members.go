package sqlstore

import (
	"context"

	"kumoi/internal/image"
	"kumoi/internal/kernel/store"
)

func scanMember(r store.Row) (image.Member, error) {
	var m image.Member
	var created, updated int64
	err := r.Scan(&m.ImageID, &m.MemberID, &m.Status, &created, &updated)
	m.CreatedAt, m.UpdatedAt = store.Time(created), store.Time(updated)
	return m, err
}

// Members returns the projects an image is shared with.
func (s Store) Members(ctx context.Context, tx *store.Tx, imageID string) ([]image.Member, error) {
	return store.All(ctx, tx, scanMember, `SELECT image_id, member_id, status, created_at, updated_at
		FROM image_member WHERE image_id = ? ORDER BY created_at, member_id`, imageID)
}

// AddMember shares an image.
func (s Store) AddMember(ctx context.Context, tx *store.Tx, m image.Member) error {
	_, err := tx.Exec(ctx, "INSERT INTO image_member (image_id, member_id, status, created_at, updated_at) VALUES (?, ?, ?, ?, ?)",
		m.ImageID, m.MemberID, m.Status, store.Micros(m.CreatedAt), store.Micros(m.UpdatedAt))
	return err
}

// SetMemberStatus records a member's decision.
func (s Store) SetMemberStatus(ctx context.Context, tx *store.Tx, m image.Member) error {
	return tx.ExecOne(ctx, "UPDATE image_member SET status = ?, updated_at = ? WHERE image_id = ? AND member_id = ?",
		m.Status, store.Micros(m.UpdatedAt), m.ImageID, m.MemberID)
}

// DeleteMember stops sharing an image.
func (s Store) DeleteMember(ctx context.Context, tx *store.Tx, imageID, memberID string) error {
	return tx.ExecOne(ctx, "DELETE FROM image_member WHERE image_id = ? AND member_id = ?", imageID, memberID)
}

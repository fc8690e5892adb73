package app

import (
	"context"

	"kumoi/internal/compute"
	"kumoi/internal/identity"
	"kumoi/internal/kernel/store"
)

// computeIdentity is identity as compute wants it.
type computeIdentity struct {
	*identity.Service
	db *store.DB
}

var _ compute.Identity = computeIdentity{}

func (c computeIdentity) ProjectExists(ctx context.Context, id string) (found bool, err error) {
	err = c.db.Read(ctx, func(tx *store.Tx) error {
		found, err = c.Service.ProjectExists(ctx, tx, id)
		return err
	})
	return found, err
}

func (c computeIdentity) UserExists(ctx context.Context, id string) (found bool, err error) {
	err = c.db.Read(ctx, func(tx *store.Tx) error {
		found, err = c.Service.UserExists(ctx, tx, id)
		return err
	})
	return found, err
}

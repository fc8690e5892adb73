package network

import (
	"context"

	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/store"
)

// createAll makes all or none of what requests ask for, for families whose
// requests say more than the resource.
func createAll[R, T any, P resource[T]](ctx context.Context, s *Service, many []change.Patch[R], one func(context.Context, *store.Tx, change.Patch[R]) (*T, error)) (made []*T, err error) {
	err = s.db.Write(ctx, func(tx *store.Tx) error {
		made = made[:0]
		for _, n := range many {
			v, err := one(ctx, tx, n)
			if err != nil {
				return err
			}
			audit.Created(ctx, P(v).Std().ID)
			made = append(made, v)
		}
		return nil
	})
	return made, err
}

// createOne is createAll of one.
func createOne[R, T any, P resource[T]](ctx context.Context, s *Service, n change.Patch[R], one func(context.Context, *store.Tx, change.Patch[R]) (*T, error)) (*T, error) {
	made, err := createAll[R, T, P](ctx, s, []change.Patch[R]{n}, one)
	if err != nil {
		return nil, err
	}
	return made[0], nil
}

// changeOne runs a use case of one resource in a transaction of its own.
func changeOne[T any](ctx context.Context, s *Service, f func(tx *store.Tx) (*T, error)) (v *T, err error) {
	err = s.db.Write(ctx, func(tx *store.Tx) (err error) {
		v, err = f(tx)
		return err
	})
	return v, err
}

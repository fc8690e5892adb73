package volume

import (
	"context"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// onHost is a step that asks the volume's host.
func (s *Service) onHost(f func(ctx context.Context, h hostapi.VolumeHost, w *Work) error) func(context.Context, *Work) error {
	return func(ctx context.Context, w *Work) error {
		h, err := s.host(w.Place)
		if err != nil {
			return err
		}
		return f(ctx, h, w)
	}
}

// extendSaga grows a volume's bytes. What fails leaves the volume as large as
// its record says; bytes that have grown are used by the next attempt.
func (f *Contents) extendSaga() saga.Definition[Work] {
	return saga.Definition[Work]{
		Kind: kindExtend, Version: 1,
		Steps: []step{{Name: "extend", Do: f.s.onHost(func(ctx context.Context, h hostapi.VolumeHost, w *Work) error {
			return h.ExtendVolume(ctx, w.ref(), w.Size)
		})}},
		Done: f.s.finish(func(ctx context.Context, tx *store.Tx, w *Work, v *Volume) error {
			v.Status, v.PreviousStatus, v.SizeGiB = w.Was, "", w.Size
			return f.s.tellServers(ctx, tx, v, Grown{VolumeID: v.ID, SizeGiB: w.Size})
		}),
		Failed: func(ctx context.Context, tx *store.Tx, w *Work, cause *errs.Error) error {
			status := ErrorExtending
			if w.Was == InUse {
				status = InUse // its client goes on as before
			}
			return f.s.fail(status, actExtend, extendFailed)(ctx, tx, w, cause)
		},
	}
}

// revertSaga gives a volume the bytes of its newest snapshot.
func (f *Contents) revertSaga() saga.Definition[Work] {
	end := func(status string) func(context.Context, *store.Tx, *Work, *Volume) error {
		return func(ctx context.Context, tx *store.Tx, w *Work, v *Volume) error {
			v.Status = status
			return f.s.Snapshots.settle(func(ctx context.Context, tx *store.Tx, p *Snapshot) error {
				p.Status = Available
				return f.s.Snapshots.save(ctx, tx, p)
			})(ctx, tx, w)
		}
	}
	return saga.Definition[Work]{
		Kind: kindRevert, Version: 1,
		Steps: []step{{Name: "revert", Timeout: long, Do: f.s.onHost(func(ctx context.Context, h hostapi.VolumeHost, w *Work) error {
			return h.RevertVolume(ctx, w.snapRef())
		})}},
		Done: f.s.finish(end(Available)),
		Failed: func(ctx context.Context, tx *store.Tx, w *Work, cause *errs.Error) error {
			if err := f.s.finish(end(Error))(ctx, tx, w); err != nil {
				return err
			}
			return f.s.fail(Error, actSchedule, unknownError)(ctx, tx, w, cause)
		},
	}
}

// reimageSaga makes a volume's bytes anew from an image.
func (f *Contents) reimageSaga() saga.Definition[Work] {
	return saga.Definition[Work]{
		Kind: kindReimage, Version: 1,
		Steps: []step{
			{Name: "remove", Timeout: long, Do: f.s.onHost(func(ctx context.Context, h hostapi.VolumeHost, w *Work) error {
				return gone(h.DeleteVolume(ctx, w.ref()))
			})},
			{Name: "create", Timeout: long, Do: f.s.onHost(func(ctx context.Context, h hostapi.VolumeHost, w *Work) error {
				var order *hostapi.VolumeCreate
				err := f.s.read(ctx, func(tx *store.Tx) error {
					v, err := f.s.tables.Volumes.Get(ctx, tx, w.Volume)
					if err != nil {
						return err
					}
					order = &hostapi.VolumeCreate{VolumeRef: w.ref(), SizeGiB: v.SizeGiB, Image: w.Image}
					order.Encryption, err = f.s.keys.encryption(ctx, tx, v)
					return err
				})
				if err == nil {
					_, err = h.CreateVolume(ctx, order)
				}
				return err
			})},
		},
		Done: f.s.finish(func(_ context.Context, _ *store.Tx, w *Work, v *Volume) error {
			v.Status, v.PreviousStatus, v.Bootable, v.ImageMetadata = w.Was, "", true, w.ImageMeta
			if v.Status == Error {
				v.Status = Available
			}
			return nil
		}),
		Failed: f.s.fail(Error, actReimage, reimageFailed),
	}
}

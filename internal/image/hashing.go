package image

import (
	"context"
	"io"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

const hashKind = "image.location"

// Create gives a queued image its first location. The image becomes
// active when its data was read there and is what was claimed of it. Ordinary
// users may name places on the web; services also those of our stores.
func (f *Locations) Create(ctx context.Context, id, url string, claimed any) error {
	img, err := f.s.Images.Show(ctx, id)
	if err != nil {
		return err
	}
	if err := f.s.check(ctx, "add_image_location", img); err != nil {
		return err
	}
	if img.Status != Queued {
		return errs.New(errs.Conflict, "It's not allowed to add locations if image status is %s.", img.Status)
	}
	v, err := parseValidation(claimed)
	if err != nil {
		return err
	}
	loc, err := f.foreign(url)
	if err != nil {
		return errs.New(errs.Forbidden, "%s", errs.As(err).Msg)
	}
	t := f.s.Tasks.begun(ctx, "location_import", img.ID, map[string]any{"image_id": img.ID, "loc_url": url, "validation_data": claimed})
	t.Status = "processing"
	st := importState{TaskID: t.ID, ImageID: img.ID, Method: "location", URI: loc.URL, Stores: []string{loc.Store}, Claimed: v}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		img, err := f.s.Images.visible(ctx, tx, id)
		if err != nil {
			return err
		}
		if _, busy := img.Properties[propTask]; busy || img.Status != Queued {
			return errs.New(errs.Conflict, "New operation on image '%s' is not permitted as prior operation is still in progress", img.ID)
		}
		if err := img.fillable(ctx); err != nil {
			return err
		}
		if err := img.setStatus(Importing); err != nil {
			return err
		}
		img.Properties[propTask], img.UpdatedAt = t.ID, f.s.now()
		if err := f.s.Images.save(ctx, tx, img); err != nil {
			return err
		}
		if err := f.s.tables.Tasks.Insert(ctx, tx, t); err != nil {
			return err
		}
		_, err = f.s.sagas.Start(ctx, tx, hashKind, "image/"+img.ID, st)
		return err
	})
}

// saga is the work of AddLocation: one step that reads the data once.
func (f *Locations) saga() saga.Definition[importState] {
	return saga.Definition[importState]{
		Kind: hashKind, Version: 1,
		Steps: []saga.Step[importState]{{Name: "hash", Do: f.hash, Timeout: fetchTimeout}},
		Done:  f.done, Failed: f.s.Imports.failed,
	}
}

func (f *Locations) hash(ctx context.Context, st *importState) error {
	img, err := f.s.Images.get(ctx, st.ImageID)
	if err != nil {
		return err
	}
	obj, err := f.s.Downloads.openLocation(ctx, Location{Store: st.Stores[0], URL: st.URI})
	if err != nil {
		return err
	}
	defer obj.Close()
	rep, err := f.s.Uploads.judge(img, obj, obj.Size())
	if err != nil {
		return err
	}
	r, err := obj.Range(ctx, 0, obj.Size())
	if err != nil {
		return err
	}
	defer r.Close()
	m := newMeter(&bounded{ctx: ctx, r: r, left: f.s.cfg.SizeCap}, f.s.cfg.SizeCap, nil)
	_, err = io.CopyBuffer(discard{}, m, make([]byte, blockSize))
	sum := m.sum()
	if err != nil {
		return err
	}
	if v := st.Claimed; v.HashValue != "" && v.HashValue != sum.hash || v.Checksum != "" && v.Checksum != sum.checksum {
		return errs.New(errs.Invalid, "The data at the location does not have the hash that was claimed.")
	}
	st.Size, st.Checksum, st.Hash, st.VirtualSize = sum.size, sum.checksum, sum.hash, rep.VirtualSize
	return nil
}

// discard is io.Discard without its own small buffer.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func (f *Locations) done(ctx context.Context, tx *store.Tx, st *importState) error {
	img, err := f.s.tables.Images.Get(ctx, tx, st.ImageID)
	if errs.Is(err, errs.NotFound) {
		return errs.New(errs.Gone, "The image was deleted meanwhile.")
	}
	if err != nil {
		return err
	}
	loc, err := f.foreign(st.URI)
	if err != nil {
		return err
	}
	if err := img.setStatus(Active); err != nil {
		return err
	}
	img.Locations = []Location{loc}
	img.Size, img.Checksum, img.HashAlgo, img.HashValue = &st.Size, st.Checksum, hashAlgo, st.Hash
	if st.VirtualSize >= 0 {
		img.VirtualSize = &st.VirtualSize
	}
	delete(img.Properties, propTask)
	img.UpdatedAt = f.s.now()
	if err := f.s.Images.save(ctx, tx, img); err != nil {
		return err
	}
	return f.s.Tasks.end(ctx, tx, st.TaskID, "success", "", map[string]any{"image_id": st.ImageID})
}

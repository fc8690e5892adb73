package volume

import (
	"context"
	"slices"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Volumes are disks as records: who has them, what they are called and whether
// they are there.
type Volumes struct{ s *Service }

func (v *Volume) target() policy.Target {
	return policy.Target{"project_id": v.ProjectID, "user_id": v.UserID}
}

// get reads a volume for an actor who may know of it and do what the rule names.
func (f *Volumes) get(ctx context.Context, tx *store.Tx, rule, id string) (*Volume, error) {
	v, err := f.s.tables.Volumes.Get(ctx, tx, id)
	if errs.Is(err, errs.NotFound) {
		return nil, NotFound(id)
	}
	if err != nil {
		return nil, err
	}
	if !f.s.sees(ctx, v.ProjectID) {
		return nil, NotFound(id)
	}
	return v, f.s.policy.Check(ctx, rule, v.target())
}

// change reads a volume, lets f change it and writes it, in one transaction.
func (f *Volumes) change(ctx context.Context, rule, id string, edit func(tx *store.Tx, v *Volume) error) (v *Volume, err error) {
	err = f.s.write(ctx, func(tx *store.Tx) (err error) {
		if v, err = f.get(ctx, tx, rule, id); err != nil {
			return err
		}
		if err := edit(tx, v); err != nil {
			return err
		}
		return f.save(ctx, tx, v)
	})
	return v, err
}

// save writes a volume that has changed.
func (f *Volumes) save(ctx context.Context, tx *store.Tx, v *Volume) error {
	v.UpdatedAt = f.s.now()
	return f.s.tables.Volumes.Update(ctx, tx, v)
}

// List lists volumes.
func (f *Volumes) List(ctx context.Context, q store.Query) (page store.Page[Volume], err error) {
	if err := f.s.Check(ctx, "volume:get_all"); err != nil {
		return page, err
	}
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		page, err = f.s.tables.Volumes.List(ctx, tx, f.listed(ctx, q))
		return err
	})
	return page, err
}

// Count counts what List would list without pages.
func (f *Volumes) Count(ctx context.Context, q store.Query) (n int64, err error) {
	if err := f.s.Check(ctx, "volume:get_all"); err != nil {
		return 0, err
	}
	q = f.listed(ctx, q)
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		n, err = f.s.tables.Volumes.Count(ctx, tx, append(slices.Clip(q.Scope), q.Where...)...)
		return err
	})
	return n, err
}

// listed is a query without volumes that only stand in for others while they migrate.
func (f *Volumes) listed(ctx context.Context, q store.Query) store.Query {
	return f.s.scope(ctx, q, "project_id").Within(store.Eq("replaces", ""))
}

// Show returns a volume.
func (f *Volumes) Show(ctx context.Context, id string) (v *Volume, err error) {
	return f.ShowBy(ctx, "volume:get", id)
}

// ShowBy returns a volume for what a rule names.
func (f *Volumes) ShowBy(ctx context.Context, rule, id string) (v *Volume, err error) {
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		v, err = f.get(ctx, tx, rule, id)
		return err
	})
	return v, err
}

// Patch is what a user changes of a volume or a snapshot.
type Patch struct {
	Name, Description change.Optional[string]
	Metadata          change.Optional[map[string]string]
}

// Update changes a volume's name, description and metadata.
func (f *Volumes) Update(ctx context.Context, id string, p Patch) (*Volume, error) {
	return f.change(ctx, "volume:update", id, func(tx *store.Tx, v *Volume) error {
		p.Name.Into(&v.Name)
		p.Description.Into(&v.Description)
		p.Metadata.Into(&v.Metadata)
		names, err := f.s.parts.typeNames(ctx, tx, []string{v.TypeID})
		v.TypeName = names[v.TypeID]
		return err
	})
}

// Summary is what a project's volumes are together.
type Summary struct {
	Count, SizeGiB int
	Metadata       map[string][]string // every value of each key
}

// Summarize counts the volumes that a list would show.
func (f *Volumes) Summarize(ctx context.Context, q store.Query) (*Summary, error) {
	page, err := f.List(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &Summary{Count: len(page.Rows), Metadata: map[string][]string{}}
	for _, v := range page.Rows {
		out.SizeGiB += v.SizeGiB
		for k, value := range v.Metadata {
			if !slices.Contains(out.Metadata[k], value) {
				out.Metadata[k] = append(out.Metadata[k], value)
			}
		}
	}
	for _, values := range out.Metadata {
		slices.Sort(values)
	}
	return out, nil
}

// TypeNames are the names of the types that volumes have, by their ids.
func (f *Volumes) TypeNames(ctx context.Context, ids []string) (names map[string]string, err error) {
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		names, err = f.s.parts.typeNames(ctx, tx, ids)
		return err
	})
	return names, err
}

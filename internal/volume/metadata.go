package volume

import (
	"context"
	"maps"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// MetadataHow is how metadata changes.
type MetadataHow int

// The ways.
const (
	MetadataAdd     MetadataHow = iota // what is there stays
	MetadataSet                        // one key
	MetadataReplace                    // all of it
	MetadataRemove                     // one key
)

// MetadataChange is a request about metadata.
type MetadataChange struct {
	How      MetadataHow
	Set      map[string]string
	Key      string
	Expected func(now map[string]string) error // nil: whatever it is
}

// NoMetadata says that there is no such key.
func NoMetadata(key string) error {
	return errs.New(errs.NotFound, "Metadata item was not found: no key %s.", key)
}

// apply returns metadata as it becomes.
func (c MetadataChange) apply(now map[string]string) (map[string]string, error) {
	if c.Expected != nil {
		if err := c.Expected(now); err != nil {
			return nil, err
		}
	}
	next := maps.Clone(now)
	if next == nil || c.How == MetadataReplace {
		next = map[string]string{}
	}
	if c.How == MetadataRemove {
		if _, ok := next[c.Key]; !ok {
			return nil, NoMetadata(c.Key)
		}
		delete(next, c.Key)
	}
	maps.Copy(next, c.Set)
	return next, nil
}

// rule is the verb of the policy's rule.
func (c MetadataChange) rule(add, update, remove string) string {
	switch c.How {
	case MetadataAdd:
		return add
	case MetadataRemove:
		return remove
	}
	return update
}

// Metadata returns a volume's metadata.
func (f *Volumes) Metadata(ctx context.Context, id string) (map[string]string, error) {
	v, err := f.ShowBy(ctx, "volume:get_volume_metadata", id)
	if err != nil {
		return nil, err
	}
	return v.Metadata, nil
}

// ChangeMetadata changes a volume's metadata.
func (f *Volumes) ChangeMetadata(ctx context.Context, id string, c MetadataChange) (map[string]string, error) {
	rule := c.rule("volume:create_volume_metadata", "volume:update_volume_metadata", "volume:delete_volume_metadata")
	v, err := f.change(ctx, rule, id, func(_ *store.Tx, v *Volume) (err error) {
		if v.Status == Maintenance {
			return invalid("Updating volume metadata is not allowed for volumes in maintenance mode.")
		}
		v.Metadata, err = c.apply(v.Metadata)
		return err
	})
	if err != nil {
		return nil, err
	}
	return v.Metadata, nil
}

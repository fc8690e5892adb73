package federation

import (
	"context"
	"errors"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Protocols are the use cases of an identity provider's protocols.
type Protocols struct {
	s   *Service
	idp string
}

// Of returns the use cases for a provider.
func (f *Protocols) Of(idp string) *Protocols { return &Protocols{f.s, idp} }

// Protocol finds a provider's protocol.
func (s *Service) Protocol(ctx context.Context, tx *store.Tx, idp, id string) (p Protocol, err error) {
	row, err := s.t.Protocols.Get(ctx, tx, idp, id)
	if err != nil {
		return p, noProtocol(err, idp, id)
	}
	return *row, nil
}

func noProtocol(err error, idp, id string) error {
	if errors.Is(err, store.ErrNoRows) {
		return errs.New(errs.NotFound, "Could not find federated protocol %s for Identity Provider: %s.", id, idp)
	}
	return err
}

// List lists all of a provider's protocols.
func (f *Protocols) List(ctx context.Context, _ store.Query) (page store.Page[Protocol], err error) {
	if err := f.s.b.Check(ctx, "identity:list_protocols", policy.Target{}); err != nil {
		return page, err
	}
	page.Rows, err = family.Read(ctx, f.s.b.DB, func(tx *store.Tx) ([]*Protocol, error) {
		return f.s.t.Protocols.All(ctx, tx, store.Eq("idp_id", f.idp))
	})
	return page, err
}

// Show returns a protocol of a provider.
func (f *Protocols) Show(ctx context.Context, id string) (*Protocol, error) {
	if err := f.s.b.Check(ctx, "identity:get_protocol", policy.Target{}); err != nil {
		return nil, err
	}
	return family.One(family.Read(ctx, f.s.b.DB, func(tx *store.Tx) (Protocol, error) { return f.s.Protocol(ctx, tx, f.idp, id) }))
}

// Create ties a provider to a mapping.
func (f *Protocols) Create(ctx context.Context, p Protocol) (*Protocol, error) {
	p.IdPID = f.idp
	err := f.put(ctx, "identity:create_protocol", p.ID, func(have *Protocol, exists bool) error {
		if exists {
			return errs.New(errs.Exists, "Conflict occurred attempting to store federation_protocol - Duplicate entry found with ID %s.", p.ID)
		}
		*have = p
		return nil
	})
	return family.One(p, err)
}

// Update changes a protocol.
func (f *Protocols) Update(ctx context.Context, id string, in change.Patch[Protocol]) (*Protocol, error) {
	var out Protocol
	err := f.put(ctx, "identity:update_protocol", id, func(have *Protocol, exists bool) error {
		if !exists {
			return noProtocol(store.ErrNoRows, f.idp, id)
		}
		if err := in.To(have); err != nil {
			return err
		}
		out = *have
		return nil
	})
	return family.One(out, err)
}

func (f *Protocols) put(ctx context.Context, rule, id string, edit func(have *Protocol, exists bool) error) error {
	if err := f.s.b.Check(ctx, rule, policy.Target{}); err != nil {
		return err
	}
	return f.s.b.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := family.Get(ctx, tx, f.s.t.IdPs, f.idp); err != nil {
			return err
		}
		p, err := f.s.Protocol(ctx, tx, f.idp, id)
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		if err := edit(&p, err == nil); err != nil {
			return err
		}
		if _, err := family.Get(ctx, tx, f.s.t.Mappings, p.MappingID); err != nil {
			return family.AsInvalid(err, "mapping_id", p.MappingID)
		}
		return family.Put(ctx, tx, f.s.t.Protocols, &p)
	})
}

// Delete unties a provider from a mapping.
func (f *Protocols) Delete(ctx context.Context, id string) error {
	if err := f.s.b.Check(ctx, "identity:delete_protocol", policy.Target{}); err != nil {
		return err
	}
	return f.s.b.DB.Write(ctx, func(tx *store.Tx) error {
		return noProtocol(f.s.t.Protocols.Delete(ctx, tx, f.idp, id), f.idp, id)
	})
}

package compute

import (
	"context"
	"maps"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// UpdateServer changes what may change about a server without touching its disk.
type UpdateServer struct {
	Name, Hostname         *string
	Description            change.Optional[string]
	AccessIPv4, AccessIPv6 *string
	DiskConfig             *string
}

// Update changes a server.
func (s *Servers) Update(ctx context.Context, id string, r UpdateServer) (*Server, error) {
	return s.change(ctx, id, "servers:update", func(tx *store.Tx, srv *Server) error {
		set := func(to, from *string) {
			if from != nil {
				*to = *from
			}
		}
		visible := r.Name != nil && *r.Name != srv.Name || r.Hostname != nil && *r.Hostname != srv.Hostname
		set(&srv.Name, r.Name)
		set(&srv.Hostname, r.Hostname)
		set(&srv.AccessIPv4, r.AccessIPv4)
		set(&srv.AccessIPv6, r.AccessIPv6)
		set(&srv.DiskConfig, r.DiskConfig)
		r.Description.IntoPointer(&srv.Description)
		if !visible {
			return nil
		}
		srv.Generation++
		return s.refresh.apply(ctx, tx, srv)
	})
}

// SetMetadata changes a server's metadata: replace drops what is not in set.
func (s *Servers) SetMetadata(ctx context.Context, id, rule string, set map[string]string, replace bool) (map[string]string, error) {
	srv, err := s.change(ctx, id, rule, func(tx *store.Tx, srv *Server) error {
		if err := s.permit(ctx, srv, "update_instance_metadata"); err != nil {
			return err
		}
		next := map[string]string{}
		if !replace {
			maps.Copy(next, srv.Metadata)
		}
		maps.Copy(next, set)
		return s.putMetadata(ctx, tx, srv, next)
	})
	if err != nil {
		return nil, err
	}
	return srv.Metadata, nil
}

// DeleteMetadata removes one item.
func (s *Servers) DeleteMetadata(ctx context.Context, id, key string) error {
	_, err := s.change(ctx, id, "server-metadata:delete", func(tx *store.Tx, srv *Server) error {
		if _, ok := srv.Metadata[key]; !ok {
			return errs.New(errs.NotFound, "Metadata item was not found")
		}
		if err := s.permit(ctx, srv, "delete_instance_metadata"); err != nil {
			return err
		}
		next := maps.Clone(srv.Metadata)
		delete(next, key)
		return s.putMetadata(ctx, tx, srv, next)
	})
	return err
}

func (s *Servers) putMetadata(ctx context.Context, tx *store.Tx, srv *Server, next map[string]string) error {
	if err := s.Quotas.checkLimit(ctx, tx, srv.ProjectID, "metadata_items", len(next), "Maximum number of metadata items exceeded"); err != nil {
		return err
	}
	srv.Metadata = next
	srv.Generation++
	return s.refresh.apply(ctx, tx, srv)
}

// maxTags is how many tags a server may have.
const maxTags = 50

// SetTags replaces a server's tags by what f makes of them.
func (s *Servers) SetTags(ctx context.Context, id, rule string, f func(tags []string) ([]string, error)) ([]string, error) {
	srv, err := s.change(ctx, id, rule, func(_ *store.Tx, srv *Server) error {
		if err := s.permit(ctx, srv, "add_tag"); err != nil {
			return err
		}
		tags, err := f(slices.Clone(srv.Tags))
		if err == nil && len(tags) > maxTags {
			err = errs.New(errs.Invalid, "The number of tags exceeded the per-server limit %d", maxTags)
		}
		srv.Tags = tags
		return err
	})
	if err != nil {
		return nil, err
	}
	return srv.Tags, nil
}

// Lock keeps everybody but administrators from acting on a server.
func (s *Servers) Lock(ctx context.Context, id string, reason *string) error {
	_, err := s.change(ctx, id, policyOf("lock"), func(tx *store.Tx, srv *Server) error {
		srv.Locked, srv.LockReason, srv.LockedBy = true, reason, "owner"
		if s.isAdmin(ctx) && actor.From(ctx).ProjectID != srv.ProjectID {
			srv.LockedBy = "admin"
		}
		return s.journal.recordDone(ctx, tx, srv, "lock")
	})
	return err
}

// Unlock undoes Lock; a lock by an administrator needs one.
func (s *Servers) Unlock(ctx context.Context, id string) error {
	_, err := s.change(ctx, id, policyOf("unlock"), func(tx *store.Tx, srv *Server) error {
		if srv.LockedBy == "admin" {
			if err := s.checkServer(ctx, srv, "os-lock-server:unlock:unlock_override"); err != nil {
				return err
			}
		}
		srv.Locked, srv.LockReason, srv.LockedBy = false, nil, ""
		return s.journal.recordDone(ctx, tx, srv, "unlock")
	})
	return err
}

// ResetState sets a server's state by force: the operator knows better.
func (s *Servers) ResetState(ctx context.Context, id string, to VMState) error {
	_, err := s.change(ctx, id, policyOf("os-resetState"), func(tx *store.Tx, srv *Server) error {
		srv.VMState, srv.TaskState = to, TaskNone
		return s.journal.recordDone(ctx, tx, srv, "os-resetState")
	})
	return err
}

// passwordCleared stands for a password that its owner has cleared: the guest's
// host may go on to report it.
const passwordCleared = "-"

// ClearPassword forgets the password that the guest has stored.
func (s *Servers) ClearPassword(ctx context.Context, id string) error {
	_, err := s.change(ctx, id, "os-server-password:clear", func(_ *store.Tx, srv *Server) error {
		if srv.Password != "" {
			srv.Password = passwordCleared
		}
		return nil
	})
	return err
}

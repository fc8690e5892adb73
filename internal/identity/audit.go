package identity

import (
	"context"
	"errors"
	"strings"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/store"
)

// What changes are called in the audit trail, before the kind of resource:
// "created.user", as Keystone's notifications are.
const (
	created = family.Created
	updated = family.Updated
	deleted = family.Deleted
)

// cadfTypes are the kinds of resources whose CADF type is not "data/security/KIND".
var cadfTypes = map[string]string{
	"user": "data/security/account/user", "consumer": "data/security/account",
	"access_token": "data/security/credential", "application_credential": "data/security/credential",
	"registered_limit": "data/security/limit", "role_assignment": audit.UserType,
}

func cadfType(kind string) string {
	if t, ok := cadfTypes[kind]; ok {
		return t
	}
	return "data/security/" + kind
}

// noted writes a change into the audit trail and tells of it, in the change's own
// transaction.
func (s *Service) noted(ctx context.Context, tx *store.Tx, kind, what, id string) error {
	return s.notedWith(ctx, tx, kind, what, id, nil)
}

// notedWith is noted for a change that concerns more than one resource.
func (s *Service) notedWith(ctx context.Context, tx *store.Tx, kind, what, id string, others map[string]any) error {
	if err := s.events.Publish(ctx, tx, event.Event{
		Type: "identity." + kind + "." + strings.TrimSuffix(what, "d"), Notification: "identity." + kind + "." + what, Resource: id,
	}, nil); err != nil {
		return err
	}
	return s.audit.Record(ctx, tx, audit.Event{
		Action: what + "." + kind, Observer: audit.Resource{Name: "identity"},
		Target: audit.Resource{ID: id, TypeURI: cadfType(kind)}, Attachments: others,
	})
}

// notedGrant writes that a role was given or taken.
func (s *Service) notedGrant(ctx context.Context, tx *store.Tx, what string, a Assignment) error {
	others := map[string]any{"role": a.RoleID, string(a.ActorKind): a.ActorID, string(a.TargetKind): a.TargetID}
	if a.Inherited {
		others["inherited_to_projects"] = true
	}
	return s.notedWith(ctx, tx, "role_assignment", what, a.ActorID, others)
}

// auditLogin writes a login that failed, and one that succeeded if the operator
// wants those as well. It returns the login's error: what was wrong in detail is
// for the auditor alone. A success that cannot be written is none.
func (s *Service) auditLogin(ctx context.Context, r AuthRequest, issued *Issued, err error) error {
	e := audit.Event{
		Action: "authenticate", Outcome: audit.Success, Observer: audit.Resource{Name: "identity"}, Initiator: audit.Initiator(ctx),
		Attachments: map[string]any{"methods": r.Methods},
	}
	user := r.claimed
	var more *MoreMethods
	switch {
	case err == nil && !s.cfg.AuditLogins, errors.As(err, &more): // a receipt is no failure
		return err
	case err == nil:
		user = Ref{ID: issued.User.ID, Name: issued.User.Name}
		e.Initiator.ProjectID, e.Initiator.DomainID = issued.Actor.ProjectID, issued.Actor.DomainID
		e.Attachments["audit_ids"] = issued.Token.AuditIDs
	default:
		code, refused := map[errs.Kind]string{errs.Unauthenticated: "401", errs.Forbidden: "403", errs.NotFound: "404"}[errs.KindOf(err)]
		if !refused { // malformed, or the database is away
			return err
		}
		e.Outcome, e.Reason = audit.Failure, &audit.Reason{ReasonType: reason(err), ReasonCode: code}
	}
	e.Target = audit.Resource{ID: user.ID, TypeURI: audit.UserType, Name: user.Name}
	if !actor.From(ctx).Authenticated() {
		e.Initiator.ID, e.Initiator.UserID, e.Initiator.Name, e.Initiator.Username = user.ID, user.ID, user.Name, user.Name
	}
	if d := user.DomainID + user.DomainName; d != "" {
		e.Attachments["user_domain"] = d
	}
	if werr := s.audit.RecordAlone(ctx, e); werr != nil {
		s.log.ErrorContext(ctx, "a login could not be written into the audit trail", "outcome", e.Outcome, "error", werr)
		return errors.Join(err, werr)
	}
	return err
}

// reason is what a refusal keeps from the client, or the refusal itself.
func reason(err error) string {
	if e := errs.As(err); e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}

// asUser is ctx with the user as its actor who has proved with his password who he is.
func asUser(ctx context.Context, u User) context.Context {
	a := *actor.From(ctx)
	a.UserID, a.UserName = u.ID, u.Name
	return actor.With(ctx, &a)
}

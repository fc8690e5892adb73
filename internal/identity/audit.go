package identity

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/logx"
	"kumoi/internal/kernel/store"
)

// noted writes a change into the audit trail once it is committed.
func (s *Service) noted(ctx context.Context, tx *store.Tx, kind, what, id string) error {
	tx.AfterCommit(func() {
		s.audit.Record(ctx, logx.Event{Action: "identity:" + kind + ":" + what, Outcome: "success", Resource: id})
	})
	return nil
}

// auditLogin writes every login, and above all every failed one.
func (s *Service) auditLogin(ctx context.Context, r AuthRequest, issued *Issued, err error) {
	e := logx.Event{Action: "identity:authenticate", Outcome: "success", Address: r.Address, Details: map[string]any{"methods": r.Methods}}
	if err != nil {
		e.Outcome, e.Reason = "failure", err.Error()
		if errs.Is(err, errs.Unauthenticated) {
			e.Outcome = "denied"
		}
		if r.Password != nil {
			e.Details["user"] = r.Password.User
		}
	} else {
		e.UserID, e.Resource = issued.User.ID, issued.Token.AuditIDs[0]
	}
	s.audit.Record(ctx, e)
}

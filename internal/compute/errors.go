package compute

import (
	"errors"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// notFound replaces a store's bare "no such row" by a message that names the resource.
func notFound(err error, format string, args ...any) error {
	if errors.Is(err, store.ErrNoRows) {
		return errs.New(errs.NotFound, format, args...)
	}
	return err
}

func wrongState(srv *Server, action, attr, value string) error {
	if w, ok := spoken[action]; ok {
		action = w
	}
	return errs.New(errs.Conflict, "Cannot '%s' instance %s while it is in %s %s", action, srv.ID, attr, value)
}

func invalidIfMissing(err error, format string, args ...any) error {
	if errs.Is(err, errs.NotFound) {
		return errs.New(errs.Invalid, format, args...)
	}
	return err
}

func serverNotFound(id string) error {
	return errs.New(errs.NotFound, "Instance %s could not be found.", id)
}

package network

import (
	"errors"

	"kumoi/internal/kernel/errs"
)

// fault makes an error with Neutron's type.
func fault(kind errs.Kind, code, format string, args ...any) *errs.Error {
	return errs.New(kind, format, args...).WithCode(code)
}

// invalid is the error of a bad value.
func invalid(format string, args ...any) *errs.Error {
	return fault(errs.Invalid, "HTTPBadRequest", format, args...)
}

// invalidInput is invalid in the words of Neutron's validators.
func invalidInput(attr, format string, args ...any) *errs.Error {
	e := invalid("Invalid input for "+attr+". Reason: "+format, args...)
	return e
}

// isNotFound tells whether err says that something is absent.
func isNotFound(err error) bool { return errs.Is(err, errs.NotFound) }

// asFault returns the typed error inside err, if any.
func asFault(err error) (*errs.Error, bool) {
	var e *errs.Error
	ok := errors.As(err, &e)
	return e, ok
}

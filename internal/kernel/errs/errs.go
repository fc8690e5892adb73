// Package errs is the error vocabulary of Kumoi: a dozen kinds, one struct.
//
// A package that meets a foreign error (sql.ErrNoRows, a libvirt code, an
// OVSDB result) translates it once, at its boundary. Everybody else wraps with
// %w and asks KindOf. Only the HTTP layer turns kinds into status codes.
package errs

import (
	"context"
	"errors"
	"fmt"
)

// Kind classifies an error by what the caller can do about it.
type Kind int

// The kinds. Internal is the zero value: an error nobody classified is ours.
const (
	Internal        Kind = iota // a defect; details go to the log only
	Invalid                     // the request is wrong; the message says which value
	Unauthenticated             // no valid token
	Forbidden                   // known, but not allowed
	NotFound                    // absent, or its existence is not the caller's to know
	Exists                      // a name or identity is taken
	Conflict                    // the resource's state does not allow it now
	OverQuota                   // a limit of the project is reached
	NoCapacity                  // no host can take it
	TooLarge                    // a body or value is over its limit
	Unsupported                 // a known feature that this cloud does not offer
	Unavailable                 // a dependency is away; the only kind worth retrying
	Gone                        // was there, is no more
	Precondition                // If-Match or a generation does not hold
	MediaType                   // the body's content type is not accepted
	Range                       // a byte range cannot be satisfied
	NotAcceptable               // a version or representation is not offered
	Method                      // the path exists, the method does not
)

var kindNames = map[Kind]string{
	Internal: "internal", Invalid: "invalid", Unauthenticated: "unauthenticated", Forbidden: "forbidden",
	NotFound: "not found", Exists: "exists", Conflict: "conflict", OverQuota: "over quota",
	NoCapacity: "no capacity", TooLarge: "too large", Unsupported: "unsupported", Unavailable: "unavailable",
	Gone: "gone", Precondition: "precondition failed", MediaType: "media type", Range: "range",
	NotAcceptable: "not acceptable", Method: "method not allowed",
}

func (k Kind) String() string { return kindNames[k] }

// Error is the one error type. Msg is for the user; Err, when set, is for the log.
type Error struct {
	Kind Kind
	Msg  string
	// Code names the error for envelopes that carry a type, such as
	// Neutron's "NetworkNotFound" or Placement's "placement.concurrent_update".
	Code string
	Err  error
}

// New makes an error of a kind with a message for the user.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Msg: fmt.Sprintf(format, args...)}
}

// Wrap gives err a kind and a message for the user; err itself goes to the log.
func Wrap(kind Kind, err error, format string, args ...any) *Error {
	return &Error{Kind: kind, Msg: fmt.Sprintf(format, args...), Err: err}
}

// WithCode returns a copy that carries the envelope's type.
func (e *Error) WithCode(code string) *Error {
	c := *e
	c.Code = code
	return &c
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Msg + ": " + e.Err.Error()
	}
	return e.Msg
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf finds the kind of the outermost Error in err's chain. A cancelled or
// expired context counts as Unavailable; anything unknown is Internal.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Unavailable
	default:
		return Internal
	}
}

// Is tells whether err is of the kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// As returns the outermost Error of the chain; an unclassified err becomes an
// Internal one whose message tells a user nothing.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if kind := KindOf(err); kind == Unavailable {
		return &Error{Kind: kind, Msg: "The operation was interrupted or timed out; try again.", Err: err}
	}
	return &Error{Kind: Internal, Msg: "An unexpected error prevented the server from fulfilling your request.", Err: err}
}

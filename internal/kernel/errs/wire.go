package errs

import (
	"encoding/json"
	"errors"
)

// wire is how an error is written down: in a saga's log, on the bus.
type wire struct {
	Kind   string `json:"kind"`
	Msg    string `json:"msg"`
	Code   string `json:"code,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// Marshal writes err as JSON that Unmarshal reads. What was wrapped survives
// as text only.
func Marshal(err error) []byte {
	e := As(err)
	w := wire{Kind: e.Kind.String(), Msg: e.Msg, Code: e.Code}
	if e.Err != nil {
		w.Detail = e.Err.Error()
	}
	if outer := err.Error(); outer != e.Error() {
		w.Detail = outer // e was wrapped itself: keep the whole story
	}
	data, err := json.Marshal(w)
	if err != nil { // strings always marshal
		panic(err)
	}
	return data
}

// Unmarshal reads what Marshal wrote. Text that is none gives an Internal error.
func Unmarshal(data []byte) *Error {
	var w wire
	if err := json.Unmarshal(data, &w); err != nil {
		return Wrap(Internal, err, "An error arrived in a form that cannot be read.")
	}
	e := &Error{Kind: ParseKind(w.Kind), Msg: w.Msg, Code: w.Code}
	if w.Detail != "" {
		e.Err = errors.New(w.Detail)
	}
	return e
}

// ParseKind is the inverse of Kind.String; an unknown name is Internal.
func ParseKind(name string) Kind {
	for k, n := range kindNames {
		if n == name {
			return k
		}
	}
	return Internal
}

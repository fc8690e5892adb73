package errs

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestWireKeepsKindMessageAndCode(t *testing.T) {
	for _, in := range []error{
		New(NotFound, "Server %s could not be found.", "x").WithCode("ItemNotFound"),
		Wrap(Conflict, errors.New("row changed"), "Busy."),
		fmt.Errorf("bind port: %w", New(NoCapacity, "No host.")),
		errors.New("plain"),
		context.DeadlineExceeded,
	} {
		out := Unmarshal(Marshal(in))
		want := As(in)
		if out.Kind != want.Kind || out.Msg != want.Msg || out.Code != want.Code {
			t.Errorf("%v came back as %+v", in, out)
		}
	}
	out := Unmarshal(Marshal(fmt.Errorf("bind port: %w", New(NoCapacity, "No host."))))
	if out.Err == nil || out.Err.Error() != "bind port: No host." {
		t.Errorf("the wrapping text is lost: %v", out.Err)
	}
	if got := Unmarshal([]byte("{")); got.Kind != Internal {
		t.Errorf("garbage gave %v", got.Kind)
	}
}

func TestParseKindKnowsEveryKind(t *testing.T) {
	for k := range kindNames {
		if got := ParseKind(k.String()); got != k {
			t.Errorf("ParseKind(%q) = %v", k, got)
		}
	}
}

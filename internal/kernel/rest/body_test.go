package rest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/micro"
	"kumoi/internal/kernel/schema"
)

// A body may be of another shape from one version to the next, and an API may
// word what is wrong with it.
func TestBodyShapes(t *testing.T) {
	t.Parallel()
	lists := func(minor int) schema.Object {
		list := schema.Object{"type": "array", "items": schema.Object{"type": "string"}}
		if minor < 19 {
			return list
		}
		return schema.Object{"type": "object", "properties": schema.Object{"list": list}}
	}
	either := PerVersion(lists, nil).AnyShape().Worded(func(err error) error { return errs.Wrap(errs.Invalid, err, "Bad: %s", errs.As(err).Msg) })
	for _, x := range []struct {
		s     *Schema
		minor int
		body  string
		want  string
	}{
		{either, 1, `["a"]`, ""},
		{either, 19, `{"list": ["a"]}`, ""},
		{either, 19, `["a"]`, "Bad: "},
		{either, 1, `[1]`, "Bad: "},
		{either, 1, `[`, "Malformed request body"},
		{PerVersion(lists, nil), 1, `["a"]`, "object"},
	} {
		r := &httpx.Request{HTTP: httptest.NewRequest(http.MethodPut, "/", strings.NewReader(x.body)), Version: micro.V(1, x.minor)}
		_, err := Body[any](r, x.s)
		if (err == nil) != (x.want == "") || err != nil && !strings.Contains(errs.As(err).Msg, x.want) {
			t.Errorf("%d %s: %v, want %q", x.minor, x.body, err, x.want)
		}
	}
}

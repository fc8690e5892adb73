package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/image"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
)

var memberRules = map[string]string{
	"list": "get_members", "show": "get_member", "create": "add_member", "update": "modify_member", "delete": "delete_member",
}

// members is the whole list, always.
var members = &rest.List{
	Dialect: &rest.Dialect{Sorting: rest.SortNever, Links: func(w *rest.Writer, _ *httpx.Request, _ string, _ rest.Part) {
		w.Text("schema", "/v2/schemas/members")
	}},
	Sort:  []store.Sort{{Field: "created_at"}, {Field: "member_id"}},
	Paged: func(*httpx.Request) bool { return false },
}

func (a *api) members() []httpx.Route {
	c := rest.Resource[image.Member, string, string]{
		Path: "/v2/images/{image_id}/members", Item: "member_id", Many: "members", Query: members,
		Rule:  func(verb string) string { return memberRules[verb] },
		Verbs: "list show create update delete",
		Bind: func(c *rest.Resource[image.Member, string, string], r *httpx.Request) {
			of := a.svc.Members.Of(r.Var("image_id"))
			c.List, c.Show, c.Create, c.Update, c.Delete = of.List, of.Show, of.Create, of.Update, of.Delete
		},
		ReadNew:   func(r *httpx.Request) (string, error) { return only(r, "member") },
		ReadPatch: func(r *httpx.Request) (string, error) { return only(r, "status") },
		View: func(context.Context, *httpx.Request, []*image.Member) (func(*rest.Writer, *image.Member), error) {
			return viewMember, nil
		},
		UpdateMethod: http.MethodPut, Created: func(*httpx.Request) int { return http.StatusOK },
	}
	return c.Routes()
}

func viewMember(w *rest.Writer, m *image.Member) {
	w.Text("member_id", m.MemberID)
	w.Text("image_id", m.ImageID)
	w.Text("status", m.Status)
	w.Time("created_at", m.CreatedAt, rest.Seconds)
	w.Time("updated_at", m.UpdatedAt, rest.Seconds)
	w.Text("schema", "/v2/schemas/member")
}

// only reads a text that the body must have.
func only(r *httpx.Request, key string) (string, error) {
	body, err := r.Object()
	if err != nil {
		return "", err
	}
	text, ok := body[key].(string)
	if !ok || text == "" {
		return "", errs.New(errs.Invalid, "%s not specified: the body must be an object whose %q is a text.", strings.ToUpper(key[:1])+key[1:], key)
	}
	return text, nil
}

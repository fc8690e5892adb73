package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/compute/keypair"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

// keypairs are /os-keypairs. Since 2.10 an administrator names a user in the
// query, so that a name alone is no identity and the handlers say whose it is.
type keypairs struct {
	svc *keypair.Service
	rest.Resource[keypair.Keypair, keypair.NewKeypair, struct{}]
}

func (a *api) keypairRoutes() []httpx.Route {
	k := &keypairs{svc: a.svc.Keypairs}
	k.Resource = rest.Resource[keypair.Keypair, keypair.NewKeypair, struct{}]{
		Path: "/v2.1/os-keypairs", Item: "keypair_name", One: "keypair", Many: "keypairs", Rule: familyRule("os-keypairs"),
		Create: k.svc.Create, ReadNew: newKeypair, View: viewKeypair, ID: func(v *keypair.Keypair) string { return v.Name },
		Query: &rest.List{Dialect: unsorted, Also: []string{"user_id"}, Paged: func(r *httpx.Request) bool { return r.AtLeast(2, 35) }},
		Created: func(r *httpx.Request) int {
			if r.AtLeast(2, 2) {
				return http.StatusCreated
			}
			return http.StatusOK
		},
	}
	item := k.Path + "/{" + k.Item + "}"
	return append(k.Routes(),
		httpx.Route{Method: http.MethodGet, Path: k.Path, Policy: k.Rule("list"), Handler: k.list},
		httpx.Route{Method: http.MethodGet, Path: item, Policy: k.Rule("show"), Handler: k.show},
		httpx.Route{Method: http.MethodDelete, Path: item, Policy: k.Rule("delete"), Handler: k.remove})
}

// keyUser is whose key pairs an administrator means, since 2.10.
func keyUser(r *httpx.Request) string {
	if r.AtLeast(2, 10) {
		return r.Query.Get("user_id")
	}
	return ""
}

func (k *keypairs) list(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := k.Query.Query(r)
	if err != nil {
		return nil, err
	}
	page, err := k.svc.List(ctx, keyUser(r), q)
	if err != nil {
		return nil, k.Query.Marked(err, q)
	}
	return k.Rows(ctx, r, http.StatusOK, page, q)
}

func (k *keypairs) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	v, err := k.svc.Show(ctx, keyUser(r), r.Var(k.Item))
	return k.Answer(ctx, r, http.StatusOK, v, err)
}

func (k *keypairs) remove(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := k.svc.Delete(ctx, keyUser(r), r.Var(k.Item)); err != nil {
		return nil, err
	}
	if r.AtLeast(2, 2) {
		return httpx.NoContent(), nil
	}
	return httpx.Empty(http.StatusAccepted), nil
}

// viewKeypair shows least in lists, where each row is wrapped once more, and
// most of one that is asked for.
func viewKeypair(_ context.Context, r *httpx.Request, _ []*keypair.Keypair) (func(*rest.Writer, *keypair.Keypair), error) {
	common := func(w *rest.Writer, k *keypair.Keypair) {
		w.Text("name", k.Name)
		w.Text("public_key", k.PublicKey)
		w.Text("fingerprint", k.Fingerprint)
		if r.AtLeast(2, 2) {
			w.Text("type", k.Type)
		}
	}
	one := r.Var("keypair_name") != ""
	if !one && r.HTTP.Method == http.MethodGet {
		return func(w *rest.Writer, k *keypair.Keypair) { w.Object("keypair", func() { common(w, k) }) }, nil
	}
	return func(w *rest.Writer, k *keypair.Keypair) {
		common(w, k)
		w.Text("user_id", k.UserID)
		if k.PrivateKey != "" {
			w.Text("private_key", k.PrivateKey)
		}
		if one {
			w.Int("id", k.ID)
			w.Time("created_at", k.CreatedAt, rest.Micros)
			w.Bool("deleted", false)
			w.Null("deleted_at")
			w.Null("updated_at")
		}
	}, nil
}

var createKeypairSchema = perVersion(func(minor int) object {
	name := object{"type": "string", "minLength": 1, "maxLength": 255, "format": "name"}
	if minor >= 92 {
		name["pattern"] = `^[\w\- @.]+$`
	} else {
		name["pattern"] = `^[\w\- ]+$`
	}
	p := object{"name": name, "public_key": object{"type": "string"}}
	if minor >= 2 {
		p["type"] = object{"type": "string", "enum": list{"ssh", "x509"}}
	}
	if minor >= 10 {
		p["user_id"] = object{"type": "string", "minLength": 1}
	}
	// Nova generates no keys from 2.92 on. Kumoi does when none is given: the
	// stock client asks for it in whatever version it was told to speak.
	return wrapped("keypair", strict(list{"name"}, p))
})

func newKeypair(r *httpx.Request) (n keypair.NewKeypair, err error) {
	b, err := rest.Body[struct {
		Keypair struct {
			Name   string
			Public *string `json:"public_key"`
			Type   string
			UserID string `json:"user_id"`
		} `json:"keypair"`
	}](r, createKeypairSchema)
	if err != nil {
		return n, err
	}
	n = keypair.NewKeypair{UserID: b.Keypair.UserID, Name: strings.TrimSpace(b.Keypair.Name), Type: b.Keypair.Type}
	if n.Type == "" {
		n.Type = "ssh"
	}
	if p := b.Keypair.Public; p != nil {
		if n.PublicKey = *p; strings.TrimSpace(*p) == "" {
			return n, bad("Keypair data is invalid: failed to generate fingerprint: it is empty.")
		}
	}
	return n, nil
}

package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/compute/keypair"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

// keypairRoutes are /os-keypairs.
func (a *api) keypairRoutes() []httpx.Route {
	type K = keypair.Keypair
	c := rest.Resource[K, keypair.NewKeypair, struct{}]{
		Path: "/v2.1/os-keypairs", Item: "keypair_name", One: "keypair", Many: "keypairs", Rule: familyRule("os-keypairs"),
		Verbs: "list show create delete",
		Bind: func(c *rest.Resource[K, keypair.NewKeypair, struct{}], r *httpx.Request) {
			of := a.svc.Keypairs.Of(keyUser(r))
			c.List, c.Show, c.Create, c.Delete = of.List, of.Show, of.Create, of.Delete
		},
		ReadNew: newKeypair, View: viewKeypair, ID: func(k *K) string { return k.Name },
		Query:   &rest.List{Dialect: unsorted, Also: []string{"user_id"}, Paged: func(r *httpx.Request) bool { return r.AtLeast(2, 35) }},
		Created: since22(http.StatusOK, http.StatusCreated), Deleted: since22(http.StatusAccepted, http.StatusNoContent),
	}
	return c.Routes()
}

// since22 is a status that 2.2 changed.
func since22(before, after int) func(*httpx.Request) int {
	return func(r *httpx.Request) int {
		if r.AtLeast(2, 2) {
			return after
		}
		return before
	}
}

// keyUser is whose key pairs an administrator means, since 2.10.
func keyUser(r *httpx.Request) string {
	if r.AtLeast(2, 10) {
		return r.Query.Get("user_id")
	}
	return ""
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

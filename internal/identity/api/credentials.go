package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/isotime"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
)

func (h *handlers) credentialRoutes() []httpx.Route {
	const ec2, ec2One = "/v3/users/{user_id}/credentials/OS-EC2", "/v3/users/{user_id}/credentials/OS-EC2/{credential_id}"
	credentials := ordinary(resource[identity.Credential]{
		Path: "/v3/credentials", Item: "credential_id", One: "credential", Many: "credentials", Query: listOf("user_id", "type"), View: view(credentialRow),
	}, h.svc.Credentials, credentialCreate, credentialUpdate, applyCredential, func(v *identity.Credential) *string { return &v.ID }).Routes()
	for i, c := range credentials {
		if c.Method == http.MethodGet {
			credentials[i] = secret(c)
		}
	}
	return append(credentials,
		secret(get(ec2, "identity:ec2_list_credentials", h.listEC2)),
		route(http.MethodPost, ec2, "identity:ec2_create_credential", h.createEC2),
		secret(get(ec2One, "identity:ec2_get_credential", h.showEC2)),
		route(http.MethodDelete, ec2One, "identity:ec2_delete_credential", done(func(ctx context.Context, r *httpx.Request) error {
			return h.svc.Credentials.DeleteEC2(ctx, r.Var("credential_id"))
		})),
		unaudited(route(http.MethodPost, "/v3/ec2tokens", "identity:ec2tokens_validate", h.ec2Token)),
		unaudited(route(http.MethodPost, "/v3/s3tokens", "identity:s3tokens_validate", h.s3Token)),
	)
}

var (
	credentialProperties = schema.Object{"blob": blobIs, "type": type255, "user_id": idText, "project_id": nullID}
	credentialCreate     = schema.Of(schema.Object{"type": "object", "required": schema.List{"blob", "type"}, "properties": credentialProperties})
	credentialUpdate     = schema.Of(schema.Object{"type": "object", "minProperties": 1, "properties": credentialProperties})
	ec2Create            = schema.Of(schema.Object{"type": "object", "required": schema.List{"tenant_id"}, "properties": schema.Object{"tenant_id": text}})
)

func credentialRow(w *rest.Writer, r *httpx.Request, c *identity.Credential) {
	w.Text("id", c.ID)
	w.Text("user_id", c.UserID)
	w.TextOrNull("project_id", c.ProjectID)
	w.Text("type", c.Type)
	w.Text("blob", c.Blob)
	links(w, r, "/credentials/"+c.ID)
	extra(w, c.Extra, "user_id", "project_id", "type", "blob")
}

func applyCredential(o object, c *identity.Credential) error {
	in := patch{o}
	in.text("user_id", &c.UserID)
	in.text("project_id", &c.ProjectID)
	in.text("type", &c.Type)
	switch b := o["blob"].(type) {
	case string:
		c.Blob = b
	case object:
		text, err := json.Marshal(b)
		if err != nil {
			return err
		}
		c.Blob = string(text)
	}
	in.extra(&c.Extra, "user_id", "project_id", "type", "blob")
	return nil
}

var ec2Pairs = shown("credential", "credentials", func(w *rest.Writer, r *httpx.Request, c *identity.EC2) {
	w.Text("user_id", c.UserID)
	w.Text("tenant_id", c.ProjectID)
	w.Text("access", c.Access)
	w.Text("secret", c.Secret)
	w.TextOrNull("trust_id", c.TrustID)
	links(w, r, "/users/"+c.UserID+"/credentials/OS-EC2/"+c.Access)
})

func (h *handlers) listEC2(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rows, err := h.svc.Credentials.ListEC2(ctx, r.Var("user_id"))
	return all(ctx, r, ec2Pairs, rows, err)
}

func (h *handlers) createEC2(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := r.Object()
	if err != nil {
		return nil, err
	}
	if err := ec2Create.Validate(o); err != nil {
		return nil, err
	}
	c, err := h.svc.Credentials.CreateEC2(ctx, r.Var("user_id"), str(o, "tenant_id"))
	return ec2Pairs.Answer(ctx, r, http.StatusCreated, &c, err)
}

func (h *handlers) showEC2(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	c, err := h.svc.Credentials.ShowEC2(ctx, r.Var("credential_id"))
	return ec2Pairs.Answer(ctx, r, http.StatusOK, &c, err)
}

// signedRequest reads a signed request under the names that services use.
func signedRequest(r *httpx.Request) (identity.SignedRequest, error) {
	o, err := r.Object()
	if err != nil {
		return identity.SignedRequest{}, err
	}
	var c object
	for _, key := range []string{"credentials", "credential", "ec2Credentials"} {
		if c == nil {
			c = sub(o, key)
		}
	}
	if c == nil || str(c, "access") == "" {
		return identity.SignedRequest{}, errs.New(errs.Unauthenticated, "EC2 Signature not supplied")
	}
	strs := func(key string) map[string]string {
		out := map[string]string{}
		for k := range sub(c, key) {
			out[k] = str(sub(c, key), k)
		}
		return out
	}
	headers := map[string]string{}
	for name, value := range strs("headers") { // one name in two writings could be signed as one and read as the other
		name = strings.ToLower(name)
		if have, ok := headers[name]; ok && have != value {
			return identity.SignedRequest{}, errs.New(errs.Invalid, "The header %s is there twice, with different values.", name)
		}
		headers[name] = value
	}
	return identity.SignedRequest{
		Access: str(c, "access"), Signature: str(c, "signature"), Token: str(c, "token"), Host: str(c, "host"), Verb: str(c, "verb"),
		Path: str(c, "path"), BodyHash: str(c, "body_hash"), Params: strs("params"), Headers: headers,
	}, nil
}

func (h *handlers) ec2Token(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	signed, err := signedRequest(r)
	if err != nil {
		return nil, err
	}
	issued, err := h.svc.Signatures.EC2Token(ctx, signed)
	if err != nil {
		return nil, err
	}
	return h.tokenResponse(ctx, r, http.StatusOK, issued.Session, issued.Text)
}

func (h *handlers) s3Token(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	signed, err := signedRequest(r)
	if err != nil {
		return nil, err
	}
	issued, err := h.svc.Signatures.S3Token(ctx, signed)
	if err != nil {
		return nil, err
	}
	view, err := h.tokenView(ctx, r, issued.Session)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"token": view}), nil
}

// Fault words errors as Keystone does: a login that needs more methods is told
// which, and gets a receipt.
func Fault(w http.ResponseWriter, r *http.Request, status int, e *errs.Error, requestID string) {
	var more *identity.MoreMethods
	if !errors.As(e, &more) {
		httpx.ErrorEnvelope(w, r, status, e, requestID)
		return
	}
	rec := more.Receipt
	w.Header().Set("Openstack-Auth-Receipt", rec.Text)
	httpx.WriteJSON(w, status, object{
		"receipt": object{
			"methods": rec.Methods, "issued_at": when(rec.IssuedAt), "expires_at": when(rec.ExpiresAt),
			"user": object{"id": rec.User.ID, "name": rec.User.Name, "domain": domainView(rec.Domain)},
		},
		"required_auth_methods": rec.Required,
	})
}

// moment reads an optional time of a body.
func moment(o object, key string) (time.Time, error) {
	text := str(o, key)
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := isotime.Parse(text); err == nil {
		return t, nil
	}
	return time.Time{}, errs.New(errs.Invalid, "Invalid input for field/attribute %s. Value: %s. Unable to parse it: use a time such as 2026-01-31T12:00:00.000000Z.", key, text)
}

// refs reads a list of {"id": …} or {"name": …}.
func refs(v any) []identity.Ref {
	list, _ := v.([]any)
	var out []identity.Ref
	for _, x := range list {
		if o, ok := x.(object); ok {
			out = append(out, identity.Ref{ID: str(o, "id"), Name: str(o, "name")})
		}
	}
	return out
}

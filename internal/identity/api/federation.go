package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"kumoi/internal/identity"
	"kumoi/internal/identity/federation"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
)

var (
	remoteIDs     = schema.Object{"type": schema.List{"array", "null"}, "items": text, "uniqueItems": true}
	idpProperties = schema.Object{
		"enabled": boolean, "description": nullText, "domain_id": nullID, "remote_ids": remoteIDs,
		"authorization_ttl": schema.Object{"type": schema.List{"integer", "null"}, "minimum": 0},
	}
	idpBody = schema.Of(schema.Object{"type": "object", "additionalProperties": false, "properties": idpProperties})

	spURL        = schema.Object{"type": "string", "minLength": 1, "maxLength": 225, "pattern": `^[a-zA-Z0-9+.-]+:.+`}
	spProperties = schema.Object{"auth_url": spURL, "sp_url": spURL, "description": nullText, "enabled": boolean, "relay_state_prefix": nullText}
	spCreate     = schema.Of(schema.Object{"type": "object", "required": schema.List{"auth_url", "sp_url"}, "additionalProperties": false, "properties": spProperties})
	spUpdate     = schema.Of(schema.Object{"type": "object", "minProperties": 1, "additionalProperties": false, "properties": spProperties})

	protocolCreate = schema.Of(schema.Object{
		"type": "object", "required": schema.List{"mapping_id"}, "additionalProperties": false,
		"properties": schema.Object{"mapping_id": name64, "remote_id_attribute": nullText},
	})
	protocolUpdate = schema.Of(schema.Object{
		"type": "object", "minProperties": 1, "additionalProperties": false,
		"properties": schema.Object{"mapping_id": name64, "remote_id_attribute": nullText},
	})

	textList   = schema.Object{"type": "array", "items": text}
	remoteRule = schema.Object{"type": "object", "required": schema.List{"type"}, "additionalProperties": false, "properties": schema.Object{
		"type": text, "any_one_of": textList, "not_any_of": textList, "whitelist": textList, "blacklist": textList, "regex": boolean,
	}}
	localDomain = schema.Object{"type": "object", "properties": schema.Object{"id": text, "name": text}}
	localRule   = schema.Object{"type": "object", "additionalProperties": false, "properties": schema.Object{
		"user": schema.Object{"type": "object", "additionalProperties": false, "properties": schema.Object{
			"id": text, "name": text, "email": text, "domain": localDomain, "type": schema.Object{"enum": schema.List{"ephemeral", "local"}},
		}},
		"group":  schema.Object{"type": "object", "properties": schema.Object{"id": text, "name": text, "domain": localDomain}},
		"groups": text, "group_ids": text, "domain": localDomain,
		"projects": schema.Object{"type": "array", "items": schema.Object{
			"type": "object", "required": schema.List{"name", "roles"},
			"additionalProperties": false, "properties": schema.Object{"name": text, "domain": localDomain, "roles": schema.Object{
				"type":  "array",
				"items": schema.Object{"type": "object", "required": schema.List{"name"}, "properties": schema.Object{"name": text}},
			}},
		}},
	}}
	mappingBody = schema.Of(schema.Object{"type": "object", "required": schema.List{"rules"}, "properties": schema.Object{
		"schema_version": text,
		"rules": schema.Object{"type": "array", "minItems": 1, "items": schema.Object{
			"type": "object", "required": schema.List{"local", "remote"}, "additionalProperties": false, "properties": schema.Object{
				"local": schema.Object{"type": "array", "items": localRule}, "remote": schema.Object{"type": "array", "minItems": 1, "items": remoteRule},
			},
		}},
	}})
)

func (h *handlers) federationRoutes() []httpx.Route {
	const protocol = "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}"
	return slices.Concat(withPut(idps(h.svc)), withPut(mappings(h.svc)), withPut(serviceProviders(h.svc)), protocols(h.svc).Routes(), []httpx.Route{
		route(http.MethodPut, protocol, "identity:create_protocol", h.createProtocol),
		public(get(protocol+"/auth", "", h.federatedAuth)),
		public(route(http.MethodPost, protocol+"/auth", "", h.federatedAuth)),
		public(get("/v3/auth/OS-FEDERATION/websso/{protocol_id}", "", h.websso)),
		public(route(http.MethodPost, "/v3/auth/OS-FEDERATION/websso/{protocol_id}", "", h.websso)),
		public(get("/v3/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso", "", h.websso)),
		public(route(http.MethodPost, "/v3/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso", "", h.websso)),
		public(get(protocol+"/metadata", "", h.serviceProviderMetadata)),
		public(get("/v3/OS-FEDERATION/saml2/metadata", "", h.issuerMetadata)),
		public(route(http.MethodPost, "/v3/auth/OS-FEDERATION/saml2", "", h.issueAssertion(false))),
		public(route(http.MethodPost, "/v3/auth/OS-FEDERATION/saml2/ecp", "", h.issueAssertion(true))),
		get("/v3/OS-FEDERATION/projects", "identity:get_auth_projects", h.myProjects),
		get("/v3/OS-FEDERATION/domains", "identity:get_auth_domains", h.myDomains),
	})
}

func idps(svc *identity.Service) *resource[federation.IdentityProvider] {
	return ordinary(resource[federation.IdentityProvider]{
		Path: "/v3/OS-FEDERATION/identity_providers", Item: "idp_id", One: "identity_provider", Many: "identity_providers", Query: listOf("id", "enabled"),
		View: view(func(w *rest.Writer, r *httpx.Request, v *federation.IdentityProvider) {
			base := "/OS-FEDERATION/identity_providers/" + v.ID
			w.Text("id", v.ID)
			w.Bool("enabled", v.Enabled)
			w.TextOrNull("description", v.Description)
			w.Text("domain_id", v.DomainID)
			w.Texts("remote_ids", v.RemoteIDs)
			w.IntPointer("authorization_ttl", v.AuthorizationTTL)
			w.Object("links", func() {
				w.Text("self", v3(r, "%s", base))
				w.Text("protocols", v3(r, "%s/protocols", base))
			})
		}),
	}, svc.Federation.IdentityProviders, idpBody, idpBody, func(o object, v *federation.IdentityProvider) error {
		in := patch{o}
		in.flag("enabled", &v.Enabled)
		in.text("description", &v.Description)
		in.text("domain_id", &v.DomainID)
		if list, ok := o["remote_ids"]; ok {
			ids, _ := list.([]any)
			v.RemoteIDs = texts(ids)
		}
		if _, ok := o["authorization_ttl"]; ok {
			n, err := whole(o, "authorization_ttl")
			if err != nil {
				return err
			}
			v.AuthorizationTTL = n
		}
		return nil
	}, func(v *federation.IdentityProvider) *string { return &v.ID })
}

func mappings(svc *identity.Service) *resource[federation.Mapping] {
	return ordinary(resource[federation.Mapping]{
		Path: "/v3/OS-FEDERATION/mappings", Item: "mapping_id", One: "mapping", Many: "mappings", Query: listOf(),
		View: view(func(w *rest.Writer, r *httpx.Request, v *federation.Mapping) {
			w.Text("id", v.ID)
			w.Text("schema_version", v.SchemaVersion)
			w.Any("rules", v.Rules)
			links(w, r, "/OS-FEDERATION/mappings/"+v.ID)
		}),
	}, svc.Federation.Mappings, mappingBody, mappingBody, func(o object, v *federation.Mapping) error {
		patch{o}.text("schema_version", &v.SchemaVersion)
		if v.SchemaVersion != "1.0" && v.SchemaVersion != "2.0" {
			return errs.New(errs.Invalid, "schema_version %q is not known; there are 1.0 and 2.0.", v.SchemaVersion)
		}
		text, err := json.Marshal(o["rules"])
		if err != nil {
			return err
		}
		v.Rules = nil
		return json.Unmarshal(text, &v.Rules)
	}, func(v *federation.Mapping) *string { return &v.ID })
}

func serviceProviders(svc *identity.Service) *resource[federation.ServiceProvider] {
	return ordinary(resource[federation.ServiceProvider]{
		Path: "/v3/OS-FEDERATION/service_providers", Item: "sp_id", One: "service_provider", Many: "service_providers", Query: listOf("id", "enabled"),
		View: view(func(w *rest.Writer, r *httpx.Request, v *federation.ServiceProvider) {
			w.Text("id", v.ID)
			w.Bool("enabled", v.Enabled)
			w.TextOrNull("description", v.Description)
			w.Text("auth_url", v.AuthURL)
			w.Text("sp_url", v.SPURL)
			w.Text("relay_state_prefix", v.RelayStatePr)
			links(w, r, "/OS-FEDERATION/service_providers/"+v.ID)
		}),
	}, svc.Federation.ServiceProviders, spCreate, spUpdate, func(o object, v *federation.ServiceProvider) error {
		in := patch{o}
		in.flag("enabled", &v.Enabled)
		in.text("description", &v.Description)
		in.text("auth_url", &v.AuthURL)
		in.text("sp_url", &v.SPURL)
		in.text("relay_state_prefix", &v.RelayStatePr)
		return nil
	}, func(v *federation.ServiceProvider) *string { return &v.ID })
}

// protocols are a provider's. They have no POST: PUT makes one.
func protocols(svc *identity.Service) *protocolResource {
	return &protocolResource{
		Path: "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols", Item: "protocol_id", One: "protocol", Many: "protocols",
		Rule: rules("protocol", "protocols"), Query: &rest.List{Dialect: &rest.Dialect{Sorting: rest.SortNever, Links: rest.KeystoneLinks}},
		Verbs: "list show update delete",
		Bind: func(c *protocolResource, r *httpx.Request) {
			of := svc.Federation.Protocols.Of(r.Var("idp_id"))
			c.List, c.Show, c.Create, c.Update, c.Delete = of.List, of.Show, of.Create, of.Update, of.Delete
		},
		ReadNew: func(r *httpx.Request) (federation.Protocol, error) {
			o, err := readObject(r, "protocol", protocolCreate)
			return federation.Protocol{ID: r.Var("protocol_id"), MappingID: str(o, "mapping_id"), RemoteIDAttribute: str(o, "remote_id_attribute")}, err
		},
		ReadPatch: patchOf("protocol", protocolUpdate, func(o object, p *federation.Protocol) error {
			patch{o}.text("mapping_id", &p.MappingID)
			patch{o}.text("remote_id_attribute", &p.RemoteIDAttribute)
			return nil
		}),
		View: view(func(w *rest.Writer, r *httpx.Request, p *federation.Protocol) {
			base := "/OS-FEDERATION/identity_providers/" + p.IdPID
			w.Text("id", p.ID)
			w.Text("mapping_id", p.MappingID)
			w.TextOrNull("remote_id_attribute", p.RemoteIDAttribute)
			w.Object("links", func() {
				w.Text("self", v3(r, "%s/protocols/%s", base, p.ID))
				w.Text("identity_provider", v3(r, "%s", base))
			})
		}),
	}
}

type protocolResource = rest.Resource[federation.Protocol, federation.Protocol, change.Patch[federation.Protocol]]

func (h *handlers) createProtocol(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	c := protocols(h.svc)
	n, err := c.ReadNew(r)
	if err != nil {
		return nil, err
	}
	p, err := h.svc.Federation.Protocols.Of(r.Var("idp_id")).Create(ctx, n)
	return c.Answer(ctx, r, http.StatusCreated, p, err)
}

package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
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
	const (
		protocols = "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols"
		protocol  = protocols + "/{protocol_id}"
	)
	return slices.Concat(h.idps().routes(), h.mappings().routes(), h.serviceProviders().routes(), []httpx.Route{
		get(protocols, "identity:list_protocols", h.listProtocols),
		route(http.MethodPut, protocol, "identity:create_protocol", h.createProtocol),
		get(protocol, "identity:get_protocol", h.showProtocol),
		route(http.MethodPatch, protocol, "identity:update_protocol", h.updateProtocol),
		route(http.MethodDelete, protocol, "identity:delete_protocol", done(func(ctx context.Context, r *httpx.Request) error {
			return h.svc.DeleteProtocol(ctx, r.Var("idp_id"), r.Var("protocol_id"))
		})),
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

func (h *handlers) idps() resource[identity.IdentityProvider] {
	return resource[identity.IdentityProvider]{
		path: "/v3/OS-FEDERATION/identity_providers", idVar: "idp_id", key: "identity_provider", plural: "identity_providers",
		create: idpBody, update: idpBody, filters: []string{"id", "enabled"}, putCreates: true, noPost: true, use: h.svc.IdentityProviders(),
		id:    func(v identity.IdentityProvider) string { return v.ID },
		fresh: func(id string) identity.IdentityProvider { return identity.IdentityProvider{ID: id} },
		view: func(r *httpx.Request, v identity.IdentityProvider) object {
			ids := v.RemoteIDs
			if ids == nil {
				ids = []string{}
			}
			base := "/OS-FEDERATION/identity_providers/" + v.ID
			return object{
				"id": v.ID, "enabled": v.Enabled, "description": orNull(v.Description), "domain_id": v.DomainID,
				"remote_ids": ids, "authorization_ttl": v.AuthorizationTTL,
				"links": object{"self": v3(r, "%s", base), "protocols": v3(r, "%s/protocols", base)},
			}
		},
		apply: func(o object, v *identity.IdentityProvider) error {
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
		},
	}
}

func (h *handlers) mappings() resource[identity.Mapping] {
	return resource[identity.Mapping]{
		path: "/v3/OS-FEDERATION/mappings", idVar: "mapping_id", key: "mapping", plural: "mappings", create: mappingBody, update: mappingBody,
		putCreates: true, noPost: true, use: h.svc.Mappings(),
		id:    func(v identity.Mapping) string { return v.ID },
		fresh: func(id string) identity.Mapping { return identity.Mapping{ID: id, SchemaVersion: "1.0"} },
		view: func(r *httpx.Request, v identity.Mapping) object {
			return object{"id": v.ID, "schema_version": v.SchemaVersion, "rules": v.Rules, "links": self(r, "/OS-FEDERATION/mappings/"+v.ID)}
		},
		apply: func(o object, v *identity.Mapping) error {
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
		},
	}
}

func (h *handlers) serviceProviders() resource[identity.ServiceProvider] {
	return resource[identity.ServiceProvider]{
		path: "/v3/OS-FEDERATION/service_providers", idVar: "sp_id", key: "service_provider", plural: "service_providers",
		create: spCreate, update: spUpdate, filters: []string{"id", "enabled"}, putCreates: true, noPost: true, use: h.svc.ServiceProviders(),
		id: func(v identity.ServiceProvider) string { return v.ID },
		fresh: func(id string) identity.ServiceProvider {
			return identity.ServiceProvider{ID: id, RelayStatePr: "ss:mem:"}
		},
		view: func(r *httpx.Request, v identity.ServiceProvider) object {
			return object{
				"id": v.ID, "enabled": v.Enabled, "description": orNull(v.Description), "auth_url": v.AuthURL, "sp_url": v.SPURL,
				"relay_state_prefix": v.RelayStatePr, "links": self(r, "/OS-FEDERATION/service_providers/"+v.ID),
			}
		},
		apply: func(o object, v *identity.ServiceProvider) error {
			in := patch{o}
			in.flag("enabled", &v.Enabled)
			in.text("description", &v.Description)
			in.text("auth_url", &v.AuthURL)
			in.text("sp_url", &v.SPURL)
			in.text("relay_state_prefix", &v.RelayStatePr)
			return nil
		},
	}
}

func protocolView(r *httpx.Request, p identity.Protocol) object {
	base := "/OS-FEDERATION/identity_providers/" + p.IdPID
	return object{
		"id": p.ID, "mapping_id": p.MappingID, "remote_id_attribute": orNull(p.RemoteIDAttribute),
		"links": object{"self": v3(r, "%s/protocols/%s", base, p.ID), "identity_provider": v3(r, "%s", base)},
	}
}

func protocolResponse(r *httpx.Request, status int, p identity.Protocol, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return httpx.JSON(status, object{"protocol": protocolView(r, p)}), nil
}

func (h *handlers) listProtocols(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rows, err := h.svc.Protocols(ctx, r.Var("idp_id"))
	if err != nil {
		return nil, err
	}
	return collection(r, "protocols", all(rows), nil, protocolView), nil
}

func (h *handlers) createProtocol(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := body(r, "protocol", protocolCreate)
	if err != nil {
		return nil, err
	}
	p := identity.Protocol{ID: r.Var("protocol_id"), IdPID: r.Var("idp_id"), MappingID: str(o, "mapping_id"), RemoteIDAttribute: str(o, "remote_id_attribute")}
	return protocolResponse(r, http.StatusCreated, p, h.svc.CreateProtocol(ctx, p))
}

func (h *handlers) showProtocol(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, err := h.svc.GetProtocol(ctx, r.Var("idp_id"), r.Var("protocol_id"))
	return protocolResponse(r, http.StatusOK, p, err)
}

func (h *handlers) updateProtocol(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := body(r, "protocol", protocolUpdate)
	if err != nil {
		return nil, err
	}
	p, err := h.svc.UpdateProtocol(ctx, r.Var("idp_id"), r.Var("protocol_id"), func(p *identity.Protocol) {
		patch{o}.text("mapping_id", &p.MappingID)
		patch{o}.text("remote_id_attribute", &p.RemoteIDAttribute)
	})
	return protocolResponse(r, http.StatusOK, p, err)
}

package api

import (
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/network"
)

// addressScopes is /v2.0/address-scopes.
func (a *api) addressScopes() []httpx.Route {
	type S = network.AddressScope
	s, std := a.svc.AddressScopes, func(v *S) *network.Standard { return &v.Standard }
	return collection(a, &rest.Resource[S, change.Patch[S], change.Patch[S]]{
		Path: "/v2.0/address-scopes", One: "address_scope", Many: "address_scopes", ID: func(v *S) string { return v.ID },
		List: s.List, Show: s.Show, Create: s.Create, Update: s.Update, Delete: s.Delete,
	}, rest.NewAttributes(append(own(std, std),
		rest.Attr("ip_version", rest.Post, rest.Unset, toVersion, func(v *S) *int { return &v.IPVersion }).Needed().By("ip_version"),
		rest.Attr("shared", rest.Both, false, toBool, func(v *S) *bool { return &v.Shared }).By("shared").Unsorted(),
	)...))
}

package api

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strconv"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/network"
)

// subnetPools is /v2.0/subnetpools.
func (a *api) subnetPools() []httpx.Route {
	type P = network.SubnetPool
	s, std := a.svc.SubnetPools, func(p *P) *network.Standard { return &p.Standard }
	length := func(name string, at func(p *P) *int) rest.Attribute[P, P] {
		return rest.Asked(name, rest.Both, rest.Unset, toInt(0, 128), at,
			func(w *rest.Writer, key string, p *P) { w.Text(key, strconv.Itoa(*at(p))) }).By(name)
	}
	out := collection(a, &rest.Resource[P, change.Patch[P], change.Patch[P]]{
		Path: "/v2.0/subnetpools", One: "subnetpool", Many: "subnetpools", ID: func(p *P) string { return p.ID },
		List: s.List, Show: s.Show, Create: s.Create, Update: s.Update, Delete: s.Delete,
	}, rest.NewAttributes(slices.Concat(own(std, std), described(std, std), []rest.Attribute[P, P]{
		rest.Asked("prefixes", rest.Both, rest.Unset, listOf(toPrefix), func(p *P) *[]netip.Prefix { return &p.Prefixes },
			func(w *rest.Writer, key string, p *P) { w.Texts(key, texts(p.Prefixes)) }).Needed().Filtered(containing("prefixes", wanted(toPrefix))),
		length("default_prefixlen", func(p *P) *int { return &p.DefaultPrefixLen }),
		length("min_prefixlen", func(p *P) *int { return &p.MinPrefixLen }),
		length("max_prefixlen", func(p *P) *int { return &p.MaxPrefixLen }),
		rest.Attr("default_quota", rest.Both, nil, toQuota, func(p *P) **int64 { return &p.DefaultQuota }).By("default_quota"),
		orNone("address_scope_id", rest.Both, nil, toUUIDOrNone, func(p *P) *string { return &p.AddressScopeID }, "address_scope_id"),
		rest.Attr("is_default", rest.Both, false, toBool, func(p *P) *bool { return &p.Default }).By("is_default"),
		rest.Attr("shared", rest.Post, false, toBool, func(p *P) *bool { return &p.Shared }).By("shared").Unsorted(),
		rest.ReadOnly[P]("ip_version", func(w *rest.Writer, key string, p *P) { w.Int(key, int64(p.IPVersion)) }).By("ip_version").Whole(),
	})...))
	act := func(name string, do func(ctx context.Context, id string, prefixes []netip.Prefix) (*P, error)) {
		out = append(out, httpx.Route{Method: http.MethodPut, Path: "/v2.0/subnetpools/{subnetpool_id}/" + name, Policy: name, Handler: changePrefixes(do)})
	}
	act("add_prefixes", s.AddPrefixes)
	act("remove_prefixes", s.RemovePrefixes)
	return out
}

// changePrefixes answers to adding or removing prefixes.
func changePrefixes(do func(ctx context.Context, id string, prefixes []netip.Prefix) (*network.SubnetPool, error)) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		list, err := listIn(r, "subnetpool", "prefixes")
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return nil, badRequest("Invalid input for prefixes. Reason: the list is empty.")
		}
		prefixes, err := listOf(toPrefix)(list)
		if err != nil {
			return nil, badRequest("Invalid input for prefixes. Reason: %s.", err)
		}
		p, err := do(ctx, r.Var("subnetpool_id"), prefixes)
		if err != nil {
			return nil, err
		}
		return rest.Answer(http.StatusOK, func(w *rest.Writer) {
			w.Object("", func() { w.Texts("prefixes", texts(p.Prefixes)) })
		}), nil
	}
}

func toQuota(v any) (*int64, error) {
	if v == nil {
		return nil, nil
	}
	n, err := toInt(0, 1<<62)(v)
	x := int64(n)
	return &x, err
}

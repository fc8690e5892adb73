package api

import (
	"context"
	"net/http"
	"net/netip"
	"slices"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// addressGroups is /v2.0/address-groups.
func (a *api) addressGroups() []httpx.Route {
	type G = network.AddressGroup
	s, std := a.svc.AddressGroups, func(v *G) *network.Standard { return &v.Standard }
	c := &rest.Resource[G, change.Patch[G], change.Patch[G]]{
		Path: "/v2.0/address-groups", One: "address_group", Many: "address_groups", ID: func(v *G) string { return v.ID },
		List: s.List, Show: s.Show, Create: s.Create, Update: s.Update, Delete: s.Delete,
	}
	out := collection(a, c, rest.NewAttributes(slices.Concat(own(std, std), described(std, std), []rest.Attribute[G, G]{
		rest.Asked("addresses", rest.Post, rest.Unset, listOf(toMaskedPrefix), func(v *G) *[]netip.Prefix { return &v.Addresses },
			func(w *rest.Writer, key string, v *G) { w.Texts(key, texts(v.Addresses)) }).Filtered(hasAny("addresses", toMaskedPrefix)),
		rest.ReadOnly[G]("shared", func(w *rest.Writer, key string, v *G) { w.Bool(key, v.Shared) }).By("shared").Unsorted().Read(asBool("shared")),
	})...))
	act := func(name string, one func(any) (netip.Prefix, error), do func(ctx context.Context, id string, addresses []netip.Prefix) (*G, error)) {
		out = append(out, httpx.Route{Method: http.MethodPut, Path: c.Path + "/{address_group_id}/" + name, Policy: name, Handler: func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
			addresses, err := addressList(r, one)
			if err != nil {
				return nil, err
			}
			v, err := do(ctx, r.Var("address_group_id"), addresses)
			return c.Answer(ctx, r, http.StatusOK, v, err)
		}})
	}
	act("add_addresses", toMaskedPrefix, s.Add)
	act("remove_addresses", toAddrOrPrefix, s.Remove) // what is not a prefix is not in the group either
	return out
}

func addressList(r *httpx.Request, one func(any) (netip.Prefix, error)) ([]netip.Prefix, error) {
	list, err := listIn(r, "address_group", "addresses")
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, badRequest("Invalid input for addresses. Reason: the list is empty.")
	}
	addresses, err := listOf(one)(list)
	if err != nil {
		return nil, badRequest("Invalid input for addresses. Reason: %s.", err)
	}
	return addresses, nil
}

// hasAny finds rows whose list has one of the values.
func hasAny[E interface{ String() string }](field string, convert func(any) (E, error)) func(values []string) ([]store.Cond, error) {
	return func(values []string) ([]store.Cond, error) {
		want := slices.Clone(values)
		for i, text := range values {
			if e, err := convert(text); err == nil {
				want[i] = e.String()
			}
		}
		return []store.Cond{{Field: field, Op: store.HasAny, Value: want}}, nil
	}
}

package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"kumoi/internal/compute"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/network"
)

func (a *servers) create(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[createBody](r, createSchema)
	if err != nil {
		return nil, err
	}
	req, err := b.request(r)
	if err != nil {
		return nil, err
	}
	servers, err := a.svc.Servers.Create(ctx, req)
	if err != nil {
		return nil, err
	}
	first := servers[0]
	w := rest.NewWriter()
	if b.Server.ReservationID {
		w.Object("", func() { w.Text("reservation_id", first.ReservationID) })
		return w.Response(http.StatusAccepted), nil
	}
	w.Object("", func() {
		w.Object("server", func() {
			w.Text("id", first.ID)
			writeLinks(w, r, "/servers/"+first.ID)
			w.Text("OS-DCF:diskConfig", first.DiskConfig)
			w.List("security_groups", func() {
				names := first.SecurityGroups
				if len(names) == 0 {
					names = []string{"default"}
				}
				for _, g := range names {
					w.Object("", func() { w.Text("name", g) })
				}
			})
			w.Text("adminPass", first.AdminPass)
		})
	})
	return w.Response(http.StatusAccepted).With("Location", r.Link("/v2.1/servers/%s", first.ID)), nil
}

// request lifts the body to the service's request.
func (b *createBody) request(r *httpx.Request) (compute.CreateServer, error) {
	s := &b.Server
	out := compute.CreateServer{
		Name: s.Name, ImageID: s.Image, FlavorID: idOf(string(s.Flavor)), AdminPass: s.AdminPass, Metadata: s.Metadata,
		DiskConfig: s.DiskConfig, AccessIPv4: s.AccessIPv4, AccessIPv6: shortest(s.AccessIPv6), Zone: s.Zone,
		ConfigDrive: bool(s.ConfigDrive), KeyName: s.KeyName, Min: int(s.Min), Max: int(s.Max), UserData: s.UserData,
		Description: s.Description, Hostname: s.Hostname, Host: s.Host, Node: s.Node,
	}
	if out.Min == 0 && out.Max == 0 {
		out.Min, out.Max = 1, 1
	}
	if out.Min == 0 {
		out.Min = 1
	}
	if len(s.Certificates) > 0 {
		return out, bad("Invalid input for field/attribute trusted_image_certificates. This cloud does not validate images by certificates.")
	}
	if len(s.OldDevices) > 0 && len(s.Devices) > 0 {
		return out, bad("Using different block_device_mapping syntaxes is not allowed in the same request.")
	}
	for _, t := range s.Tags {
		if !slices.Contains(out.Tags, t) {
			out.Tags = append(out.Tags, t)
		}
	}
	for _, g := range s.Groups {
		if g.Name != "" && !slices.Contains(out.SecurityGroups, g.Name) {
			out.SecurityGroups = append(out.SecurityGroups, g.Name)
		}
	}
	var err error
	if out.Files, err = filesOf(s.Personality); err != nil {
		return out, err
	}
	if err := s.networks(r, &out); err != nil {
		return out, err
	}
	if out.Devices, err = s.devices(); err != nil {
		return out, err
	}
	hints := b.Hints
	if hints == nil {
		hints = b.HintsOld
	}
	for k := range hints {
		if slices.Contains(notHints, k) || strings.HasPrefix(k, "_") {
			return out, bad("Invalid input for field/attribute %s. This cloud's scheduler does not read the hint; use group, same_host or different_host.", k)
		}
	}
	out.Hints = hintsOf(hints)
	return out, nil
}

// notHints are Nova's hints that nothing here would heed; those that begin with
// "_" are what it says to itself. Others are kept with the server, for whoever
// gave them.
var notHints = []string{"query", "target_cell", "different_cell", "build_near_host_ip", "cidr"}

func filesOf(files []fileBody) ([]hostapi.File, error) {
	var out []hostapi.File
	for _, f := range files {
		content, err := base64.StdEncoding.DecodeString(f.Contents)
		if err != nil {
			return nil, errs.Wrap(errs.Invalid, err, "Personality content for %s cannot be decoded", f.Path)
		}
		out = append(out, hostapi.File{Path: f.Path, Content: content})
	}
	return out, nil
}

// networks reads "auto", "none" or the list of networks and ports.
func (s *serverBody) networks(_ *httpx.Request, out *compute.CreateServer) error {
	var word string
	if json.Unmarshal(s.Networks, &word) == nil && word != "" {
		out.NoNetworks, out.AutoNetworks = word == "none", word == "auto"
		return nil
	}
	var items []networkBody
	if len(s.Networks) > 0 {
		if err := json.Unmarshal(s.Networks, &items); err != nil {
			return errs.Wrap(errs.Invalid, err, "Malformed networks.")
		}
	}
	for _, n := range items {
		want := network.RequestedNetwork{NetworkID: n.UUID, FixedIP: n.FixedIP, Tag: n.Tag}
		if n.Port != nil {
			want.PortID, want.NetworkID = *n.Port, ""
			if n.FixedIP != "" {
				return bad("Specified Fixed IP '%s' cannot be used with port '%s': the two cannot be specified together.", n.FixedIP, *n.Port)
			}
		}
		if want.PortID == "" && want.NetworkID == "" {
			return bad("Bad networks format: network uuid is not in proper format ()")
		}
		out.Networks = append(out.Networks, want)
	}
	return nil
}

// hintsOf makes every hint a list of texts.
func hintsOf(in map[string]any) map[string][]string {
	if len(in) == 0 {
		return nil
	}
	out := map[string][]string{}
	for k, v := range in {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				out[k] = append(out[k], fmt.Sprint(x))
			}
		case string:
			out[k] = []string{v}
		default:
			b, err := json.Marshal(v)
			if err == nil {
				out[k] = []string{string(b)}
			}
		}
	}
	return out
}

// shortest writes an IPv6 address in its shortest form.
func shortest(text string) string {
	if a, err := netip.ParseAddr(text); err == nil {
		return a.String()
	}
	return text
}

func shortestOf(text *string) *string {
	if text == nil {
		return nil
	}
	s := shortest(*text)
	return &s
}

package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume"
)

type transferResource = rest.Resource[volume.Transfer, volume.NewTransfer, struct{}]

// transferRoutes are the same family at two paths, of which 3.55 brought one.
func (a *api) transferRoutes() []httpx.Route {
	var out []httpx.Route
	for _, name := range []string{"volume-transfers", "os-volume-transfer"} {
		path := "/v3/" + name
		one := path + "/{transfer_id}"
		for _, r := range []httpx.Route{
			route("GET", path, "volume:get_all_transfers", a.listTransfers(false)),
			route("GET", path+"/detail", "volume:get_all_transfers", a.listTransfers(true)),
			route("POST", path, "volume:create_transfer", a.createTransfer),
			route("GET", one, "volume:get_transfer", a.showTransfer),
			route("DELETE", one, "volume:delete_transfer", a.deleteTransfer),
			route("POST", one+"/accept", "volume:accept_transfer", a.acceptTransfer),
		} {
			if name == "volume-transfers" {
				r = since(55, r)
			}
			r.SecretAnswer = r.Method == http.MethodPost
			out = append(out, r)
		}
	}
	return out
}

var transferList = &rest.List{
	Dialect: dialectOf("Transfer %s could not be found."), Also: everywhere, Sort: []store.Sort{{Field: "created_at", Desc: true}},
	Fields: []rest.Field{
		text("name"), filtered("display_name", "name"), text("id"), text("volume_id"), sorted("created_at"), text("source_project_id"), filtered("project_id", "source_project_id"),
	},
}

// transfers shows least in lists; how is 0 for lists, 1 for details and 2 for the
// answer to a creation, which alone has the key.
func (a *api) transfers(how int) *transferResource {
	return &transferResource{
		One: "transfer", Many: "transfers", Query: transferList, ID: func(v *volume.Transfer) string { return v.ID },
		View: func(_ context.Context, r *httpx.Request, _ []*volume.Transfer) (func(*rest.Writer, *volume.Transfer), error) {
			collection := strings.Split(strings.TrimPrefix(r.Route.Path, "/v3/"), "/")[0]
			return func(w *rest.Writer, t *volume.Transfer) {
				w.Text("id", t.ID)
				w.TextOrNull("name", t.Name)
				w.Text("volume_id", t.VolumeID)
				w.Any("links", selfLinks(r, collection, t.ID))
				if how == 0 {
					return
				}
				w.Time("created_at", t.CreatedAt, rest.Micros)
				if how == 2 {
					w.Text("auth_key", t.AuthKey)
				}
				if r.AtLeast(3, 55) {
					w.Bool("no_snapshots", t.NoSnapshots)
				}
				if r.AtLeast(3, 57) {
					w.TextOrNull("destination_project_id", t.DestinationProject)
					w.TextOrNull("source_project_id", t.SourceProject)
					w.Bool("accepted", t.Accepted)
				}
			}, nil
		},
	}
}

func (a *api) listTransfers(detail bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		how := 0
		if detail {
			how = 1
		}
		c := a.transfers(how)
		q, err := page(c.Query, r)
		if err != nil {
			return nil, err
		}
		p, err := a.svc.Transfers.List(ctx, q)
		if err != nil {
			return nil, c.Query.Marked(err, q)
		}
		return c.Rows(ctx, r, http.StatusOK, p, q)
	}
}

var createTransferSchema = perVersion(func(minor int) object {
	p := object{"volume_id": idText, "name": nameOrNull}
	if minor >= 55 {
		p["no_snapshots"] = boolType
	}
	return wrapped("transfer", closed(list{"volume_id"}, p))
})

func (a *api) createTransfer(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Transfer struct {
			Volume string    `json:"volume_id"`
			Name   string    `json:"name"`
			Alone  rest.Bool `json:"no_snapshots"`
		} `json:"transfer"`
	}](r, createTransferSchema)
	if err != nil {
		return nil, err
	}
	t, err := a.svc.Transfers.Create(ctx, volume.NewTransfer{VolumeID: b.Transfer.Volume, Name: strings.TrimSpace(b.Transfer.Name), NoSnapshots: bool(b.Transfer.Alone)})
	return a.transfers(2).Answer(ctx, r, http.StatusAccepted, t, err)
}

func (a *api) showTransfer(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	t, err := a.svc.Transfers.Show(ctx, r.Var("transfer_id"))
	return a.transfers(1).Answer(ctx, r, http.StatusOK, t, err)
}

func (a *api) deleteTransfer(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return accepted(a.svc.Transfers.Delete(ctx, r.Var("transfer_id")))
}

var acceptSchema = fixed(wrapped("accept", closed(list{"auth_key"}, object{"auth_key": object{"type": list{"string", "integer"}}})))

func (a *api) acceptTransfer(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Accept struct {
			Key rest.Text `json:"auth_key"`
		} `json:"accept"`
	}](r, acceptSchema)
	if err != nil {
		return nil, err
	}
	t, err := a.svc.Transfers.Accept(ctx, r.Var("transfer_id"), string(b.Accept.Key))
	return a.transfers(0).Answer(ctx, r, http.StatusAccepted, t, err)
}

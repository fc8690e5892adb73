package api

import (
	"context"
	"crypto/md5" //nolint:gosec // the ETag that clients compare
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/volume"
)

// metadata are the routes of what hangs on volumes and on snapshots.
type metadata struct {
	item   string // the placeholder of the resource
	etag   bool
	read   func(ctx context.Context, id string) (map[string]string, error)
	change func(ctx context.Context, id string, c volume.MetadataChange) (map[string]string, error)
}

func (a *api) metadataRoutes() []httpx.Route {
	m := metadata{item: "volume_id", etag: true, read: a.svc.Volumes.Metadata, change: a.svc.Volumes.ChangeMetadata}
	return m.routes("/v3/volumes/{volume_id}/metadata", "volume:get_volume_metadata", "volume:create_volume_metadata",
		"volume:update_volume_metadata", "volume:delete_volume_metadata")
}

func (m metadata) routes(path, get, create, update, remove string) []httpx.Route {
	return []httpx.Route{
		route("GET", path, get, m.index),
		route("POST", path, create, m.write(volume.MetadataAdd)),
		route("PUT", path, update, m.write(volume.MetadataReplace)),
		route("GET", path+"/{key}", get, m.show),
		route("PUT", path+"/{key}", update, m.set),
		route("DELETE", path+"/{key}", remove, m.remove),
	}
}

var (
	metadataSchema = fixed(wrapped("metadata", metaType))
	metaSchema     = fixed(wrapped("meta", metaType))
)

func (m metadata) answer(r *httpx.Request, all map[string]string) (*httpx.Response, error) {
	if all == nil {
		all = map[string]string{}
	}
	resp := rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() { w.TextMap("metadata", all) })
	})
	if m.etag && r.AtLeast(3, 15) {
		resp.With("Etag", etag(all))
	}
	return resp, nil
}

func etag(all map[string]string) string {
	b, err := json.Marshal(all)
	if err != nil {
		return ""
	}
	sum := md5.Sum(b) //nolint:gosec // as above
	return hex.EncodeToString(sum[:])
}

// expected refuses a change of metadata that is not what the client has seen.
func (m metadata) expected(r *httpx.Request) func(now map[string]string) error {
	want := r.HTTP.Header.Get("If-Match")
	if !m.etag || !r.AtLeast(3, 15) || want == "" || want == "*" {
		return nil
	}
	return func(now map[string]string) error {
		if now == nil {
			now = map[string]string{}
		}
		if !strings.Contains(want, etag(now)) {
			return errs.New(errs.Precondition, "The metadata was changed meanwhile; read it again.")
		}
		return nil
	}
}

func (m metadata) index(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	all, err := m.read(ctx, r.Var(m.item))
	if err != nil {
		return nil, err
	}
	return m.answer(r, all)
}

func (m metadata) write(how volume.MetadataHow) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		b, err := rest.Body[struct {
			Metadata map[string]string `json:"metadata"`
		}](r, metadataSchema)
		if err != nil {
			return nil, err
		}
		all, err := m.change(ctx, r.Var(m.item), volume.MetadataChange{How: how, Set: b.Metadata, Expected: m.expected(r)})
		if err != nil {
			return nil, err
		}
		return m.answer(r, all)
	}
}

func (m metadata) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	all, err := m.read(ctx, r.Var(m.item))
	if err != nil {
		return nil, err
	}
	value, ok := all[r.Var("key")]
	if !ok {
		return nil, volume.NoMetadata(r.Var("key"))
	}
	return httpx.JSON(http.StatusOK, object{"meta": map[string]string{r.Var("key"): value}}), nil
}

func (m metadata) set(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Meta map[string]string `json:"meta"`
	}](r, metaSchema)
	if err != nil {
		return nil, err
	}
	if _, ok := b.Meta[r.Var("key")]; !ok {
		return nil, bad("Request body and URI mismatch")
	}
	if len(b.Meta) > 1 {
		return nil, bad("Request body contains too many items")
	}
	if _, err := m.change(ctx, r.Var(m.item), volume.MetadataChange{How: volume.MetadataSet, Set: b.Meta, Expected: m.expected(r)}); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"meta": b.Meta}), nil
}

func (m metadata) remove(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if _, err := m.change(ctx, r.Var(m.item), volume.MetadataChange{How: volume.MetadataRemove, Key: r.Var("key")}); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusOK), nil
}

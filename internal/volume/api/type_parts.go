package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/volume/voltype"
)

var (
	specKey        = object{"minLength": 1, "maxLength": 255, "pattern": `^[a-zA-Z0-9-_:.]{1,255}$`}
	specValue      = object{"type": list{"string", "null"}, "maxLength": 255}
	specsPlain     = object{"type": "object", "propertyNames": specKey, "additionalProperties": specValue}
	typeSpecs      = fixed(wrapped("extra_specs", specsPlain))
	oneSpec        = fixed(merged(specsPlain, object{"minProperties": 1, "maxProperties": 1}))
	projectAccess  = closed(list{"project"}, object{"project": object{"type": "string", "minLength": 1, "maxLength": 255}})
	addAccess      = fixed(wrapped("addProjectAccess", projectAccess))
	removeAccess   = fixed(wrapped("removeProjectAccess", projectAccess))
	newDefaultType = fixed(wrapped("default_type", closed(list{"volume_type"}, object{"volume_type": nameType})))
)

func (a *api) listTypeSpecs(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	specs, err := a.svc.Types.ExtraSpecs(ctx, r.Var("volume_type_id"))
	return texts("extra_specs", specs, err)
}

// texts answers with an object of texts under a key, or with the error that came instead.
func texts(key string, m map[string]string, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) { w.Object("", func() { w.TextMap(key, m) }) }), nil
}

func (a *api) setTypeSpecs(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Specs map[string]string `json:"extra_specs"`
	}](r, typeSpecs)
	if err != nil {
		return nil, err
	}
	return texts("extra_specs", b.Specs, a.svc.Types.SetExtraSpecs(ctx, r.Var("volume_type_id"), b.Specs))
}

func (a *api) showTypeSpec(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	v, err := a.svc.Types.ExtraSpec(ctx, r.Var("volume_type_id"), r.Var("key"))
	return oneText(r.Var("key"), v, err)
}

// oneText answers with {key: value}, or with the error that came instead.
func oneText(key, value string, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, map[string]string{key: value}), nil
}

// specOf reads a body that has one spec, that of the path.
func specOf(r *httpx.Request) (map[string]string, error) {
	b, err := rest.Body[map[string]string](r, oneSpec)
	if err != nil {
		return nil, err
	}
	if _, same := b[r.Var("key")]; !same {
		return nil, bad("Request body and URI mismatch")
	}
	return b, nil
}

func (a *api) updateTypeSpec(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := specOf(r)
	if err != nil {
		return nil, err
	}
	return oneText(r.Var("key"), b[r.Var("key")], a.svc.Types.UpdateExtraSpec(ctx, r.Var("volume_type_id"), b))
}

func (a *api) deleteTypeSpec(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return accepted(a.svc.Types.DeleteExtraSpec(ctx, r.Var("volume_type_id"), r.Var("key")))
}

func (a *api) listTypeAccess(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rows, err := a.svc.Types.Access(ctx, r.Var("volume_type_id"))
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.List("volume_type_access", func() {
				for _, v := range rows {
					w.Object("", func() {
						w.Text("volume_type_id", v.TypeID)
						w.Text("project_id", v.ProjectID)
					})
				}
			})
		})
	}), nil
}

func (a *api) addTypeAccess(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct{ AddProjectAccess struct{ Project string } }](r, addAccess)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Types.AddAccess(ctx, r.Var("volume_type_id"), b.AddProjectAccess.Project))
}

func (a *api) removeTypeAccess(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct{ RemoveProjectAccess struct{ Project string } }](r, removeAccess)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Types.RemoveAccess(ctx, r.Var("volume_type_id"), b.RemoveProjectAccess.Project))
}

// defaultTypeRoutes are /default-types: the default types of projects.
func (a *api) defaultTypeRoutes() []httpx.Route {
	const p = "volume_extension:default_"
	return []httpx.Route{
		since(62, route("GET", "/v3/default-types", p+"get_all", a.listDefaultTypes)),
		since(62, route("GET", "/v3/default-types/{project_id}", p+"get", a.showDefaultType)),
		since(62, route("PUT", "/v3/default-types/{project_id}", p+"set_or_update", a.setDefaultType)),
		since(62, route("DELETE", "/v3/default-types/{project_id}", p+"unset", a.unsetDefaultType)),
	}
}

func viewDefaultType(w *rest.Writer, d *voltype.Default) {
	w.Text("project_id", d.ProjectID)
	w.Text("volume_type_id", d.TypeID)
}

func oneDefaultType(d *voltype.Default, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() { w.Object("default_type", func() { viewDefaultType(w, d) }) })
	}), nil
}

func (a *api) listDefaultTypes(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	rows, err := a.svc.Types.Defaults().List(ctx)
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.List("default_types", func() {
				for _, d := range rows {
					w.Object("", func() { viewDefaultType(w, d) })
				}
			})
		})
	}), nil
}

func (a *api) showDefaultType(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return oneDefaultType(a.svc.Types.Defaults().Show(ctx, r.Var("project_id")))
}

func (a *api) setDefaultType(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Default struct {
			Type string `json:"volume_type"`
		} `json:"default_type"`
	}](r, newDefaultType)
	if err != nil {
		return nil, err
	}
	return oneDefaultType(a.svc.Types.Defaults().Set(ctx, r.Var("project_id"), b.Default.Type))
}

func (a *api) unsetDefaultType(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Types.Defaults().Unset(ctx, r.Var("project_id")); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusNoContent), nil
}

// encryptionSchema is the body of a type's encryption, with what must be in it.
func encryptionSchema(required list) *rest.Schema {
	return fixed(wrapped("encryption", object{
		"type": "object", "required": required, "properties": object{
			"key_size": keySize, "provider": object{"type": "string", "minLength": 0, "maxLength": 255},
			"control_location": object{"enum": list{"front-end", "back-end"}},
			"cipher":           object{"type": list{"string", "null"}, "minLength": 0, "maxLength": 255},
		},
	}))
}

var newEncryption, encryptionPatch = encryptionSchema(list{"provider", "control_location"}), encryptionSchema(list{})

func readEncryption(r *httpx.Request, s *rest.Schema) (p voltype.EncryptionPatch, err error) {
	b, err := rest.Body[struct {
		Encryption struct {
			KeySize         change.Optional[rest.Int] `json:"key_size"`
			Provider        change.Optional[string]
			Cipher          change.Optional[string]
			ControlLocation change.Optional[string] `json:"control_location"`
		}
	}](r, s)
	e := b.Encryption
	size := change.Optional[int]{Set: e.KeySize.Set, Null: e.KeySize.Null, Value: int(e.KeySize.Value)}
	return voltype.EncryptionPatch{Provider: e.Provider, Cipher: e.Cipher, KeySize: size, ControlLocation: e.ControlLocation}, err
}

// encryption is a type's encryption as its answers show it.
func encryption(e *voltype.Encryption) map[string]any {
	return map[string]any{
		"volume_type_id": e.TypeID, "encryption_id": e.ID, "provider": e.Provider, "control_location": e.ControlLocation,
		"cipher": e.Cipher, "key_size": e.KeySize,
	}
}

func (a *api) showTypeEncryption(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	e, err := a.svc.Types.Encryption(ctx, r.Var("volume_type_id"))
	if err != nil {
		return nil, err
	}
	if e == nil {
		return httpx.JSON(http.StatusOK, object{}), nil
	}
	out := encryption(e)
	out["created_at"], out["updated_at"] = rest.Micros.OrNull(e.CreatedAt), rest.Micros.OrNull(e.UpdatedAt)
	out["deleted"], out["deleted_at"] = false, nil
	return httpx.JSON(http.StatusOK, out), nil
}

func (a *api) showTypeEncryptionValue(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	id, key := r.Var("volume_type_id"), r.Var("key")
	e, err := a.svc.Types.Encryption(ctx, id)
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, voltype.NoEncryption(id)
	}
	v, ok := encryption(e)[key]
	if !ok {
		return nil, voltype.NoEncryption(id)
	}
	return httpx.JSON(http.StatusOK, object{key: v}), nil
}

func (a *api) createTypeEncryption(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, err := readEncryption(r, newEncryption)
	if err != nil {
		return nil, err
	}
	e, err := a.svc.Types.CreateEncryption(ctx, r.Var("volume_type_id"), p)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"encryption": encryption(e)}), nil
}

func (a *api) updateTypeEncryption(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, err := readEncryption(r, encryptionPatch)
	if err != nil {
		return nil, err
	}
	if err := a.svc.Types.UpdateEncryption(ctx, r.Var("volume_type_id"), p); err != nil {
		return nil, err
	}
	b, err := r.Object()
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, b), nil
}

func (a *api) deleteTypeEncryption(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return accepted(a.svc.Types.DeleteEncryption(ctx, r.Var("volume_type_id")))
}

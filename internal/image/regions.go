package image

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"kumoi/internal/image/webget"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// openRemote opens an image of another region, or of our own, as the user who
// asked, and takes over what the operator lets be copied of its record.
func (f *Imports) openRemote(ctx context.Context, st *importState) (io.ReadCloser, int64, error) {
	if st.Region == f.s.cfg.Region {
		return f.openOwn(ctx, st)
	}
	endpoint, err := f.endpointIn(ctx, st.Region, cmp.Or(st.Interface, "public"))
	if err != nil {
		return nil, 0, err
	}
	if endpoint == "" {
		return nil, 0, errs.New(errs.Invalid, "There is no image service in region %q with the interface %q.", st.Region, st.Interface)
	}
	token, ok := f.s.tokens.Load(st.TaskID)
	if !ok {
		return nil, 0, errs.New(errs.Invalid, "The import was interrupted and its token is not kept; ask for it again.")
	}
	client := &http.Client{Timeout: fetchTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	header := http.Header{"X-Auth-Token": {token.(string)}}
	base := strings.TrimSuffix(strings.TrimSuffix(endpoint, "/"), "/v2") + "/v2/images/" + st.RemoteImageID
	if err := f.readRemote(ctx, client, base, header, st); err != nil {
		return nil, 0, err
	}
	return webget.Get(ctx, client, base+"/file", header)
}

// endpointIn finds a region's image service in identity's catalogue.
func (f *Imports) endpointIn(ctx context.Context, region, iface string) (url string, err error) {
	if f.s.identity == nil {
		return "", nil
	}
	err = f.s.db.Read(ctx, func(tx *store.Tx) error {
		url, err = f.s.identity.RegionEndpoint(ctx, tx, "image", region, iface)
		return err
	})
	return url, err
}

func (f *Imports) readRemote(ctx context.Context, c *http.Client, u string, header http.Header, st *importState) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	body, _, err := webget.Get(ctx, c, u, header)
	if err != nil {
		return err
	}
	defer body.Close()
	var record map[string]any
	if err := json.NewDecoder(io.LimitReader(body, 1<<20)).Decode(&record); err != nil {
		return errs.Wrap(errs.Unavailable, err, "The image service of region %s did not answer with an image.", st.Region)
	}
	text := func(k string) string { v, _ := record[k].(string); return v }
	properties := map[string]string{}
	for k := range record {
		if !base(k) && text(k) != "" {
			properties[k] = text(k)
		}
	}
	return f.adopt(st, text("status"), text("disk_format"), text("container_format"), properties)
}

func (f *Imports) openOwn(ctx context.Context, st *importState) (io.ReadCloser, int64, error) {
	data, err := f.s.Downloads.Open(ctx, st.RemoteImageID)
	if err != nil {
		return nil, 0, err
	}
	if err := f.adopt(st, string(data.Image.Status), data.Image.DiskFormat, data.Image.ContainerFormat, data.Image.Properties); err != nil {
		data.Close()
		return nil, 0, err
	}
	r, err := data.Range(ctx, 0, data.Size())
	if err != nil {
		data.Close()
		return nil, 0, err
	}
	return &both{r, data}, data.Size(), nil
}

// adopt takes over formats and the allowed properties of the source.
func (f *Imports) adopt(st *importState, status, disk, container string, properties map[string]string) error {
	if status != string(Active) {
		return errs.New(errs.Conflict, "The image to copy is %s, not active.", status)
	}
	st.DiskFormat, st.ContainerFormat, st.Properties = disk, container, map[string]string{}
	for k, v := range properties {
		for _, pattern := range f.s.cfg.CopyProperties {
			if ok, err := path.Match(pattern, k); err == nil && ok && checkSettable(k) == nil {
				st.Properties[k] = v
			}
		}
	}
	return nil
}

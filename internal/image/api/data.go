package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"kumoi/internal/image"
	"kumoi/internal/image/backend"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

func (a *api) data() []httpx.Route {
	const file = "/v2/images/{image_id}/file"
	return []httpx.Route{
		stream(route("PUT", file, "upload_image", a.upload)),
		route("GET", file, "download_image", a.download),
	}
}

// announced checks the headers of an upload and returns the announced size, -1 if none.
func announced(r *httpx.Request) (int64, error) {
	kind, _, _ := mime.ParseMediaType(r.HTTP.Header.Get("Content-Type"))
	if kind != "application/octet-stream" {
		return 0, errs.New(errs.MediaType, "Invalid content type %.100s: an image's data must be sent as application/octet-stream.", kind)
	}
	if text := r.HTTP.Header.Get("X-Openstack-Image-Size"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return 0, errs.New(errs.Invalid, "Invalid or missing image size in request headers.")
		}
		return n, nil
	}
	return r.HTTP.ContentLength, nil
}

func (a *api) upload(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	size, err := announced(r)
	if err != nil {
		return nil, err
	}
	return done(a.svc.Uploads.Create(ctx, r.Var("image_id"), sender{r.HTTP.Body}, size, r.HTTP.Header.Get("X-Image-Meta-Store")))
}

// sender reads what a client sends; a connection that breaks is the client's fault.
type sender struct{ r io.Reader }

func (s sender) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = errs.Wrap(errs.Invalid, err, "The image's data could not be read to its end: the connection broke or its framing is wrong.")
	}
	return n, err
}

func (a *api) download(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var prefer []string
	for p := range strings.SplitSeq(r.Query.Get("prefer"), ",") {
		if p = strings.TrimSpace(p); p != "" {
			prefer = append(prefer, p)
		}
	}
	data, err := a.svc.Downloads.Open(ctx, r.Var("image_id"), prefer...)
	if errors.Is(err, image.ErrNoData) {
		return httpx.NoContent(), nil
	}
	if err != nil {
		return nil, err
	}
	off, n, partial, err := byteRange(r.HTTP.Header, data.Size())
	if err != nil {
		data.Close()
		return nil, err
	}
	return httpx.Stream(func(w http.ResponseWriter) error {
		defer data.Close()
		h := w.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Length", strconv.FormatInt(n, 10))
		h.Set("Accept-Ranges", "bytes")
		if data.Image.Checksum != "" {
			h.Set("Content-Md5", data.Image.Checksum)
		}
		status := http.StatusOK
		if partial {
			status = http.StatusPartialContent
			h.Set("Content-Range", "bytes "+strconv.FormatInt(off, 10)+"-"+strconv.FormatInt(off+n-1, 10)+"/"+strconv.FormatInt(data.Size(), 10))
		}
		w.WriteHeader(status)
		return send(ctx, w, data, off, n)
	}), nil
}

// send copies a range of an image's data. A plain file goes by the kernel
// alone, without passing through this process.
func send(ctx context.Context, w http.ResponseWriter, data *image.Data, off, n int64) error {
	if f, ok := data.Object.(backend.Filer); ok {
		if _, err := f.File().Seek(off, io.SeekStart); err == nil {
			sent, err := io.Copy(w, io.LimitReader(f.File(), n))
			return short(sent, n, err)
		}
	}
	rc, err := data.Range(ctx, off, n)
	if err != nil {
		return err
	}
	defer rc.Close()
	sent, err := io.CopyBuffer(onlyWriter{w}, rc, make([]byte, 256<<10))
	return short(sent, n, err)
}

// onlyWriter hides ReadFrom, which would bring a smaller buffer.
type onlyWriter struct{ io.Writer }

func short(sent, want int64, err error) error {
	if err == nil && sent < want {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// byteRange reads the Range header: one range in bytes. Content-Range, which
// old clients send in its place, is understood too.
func byteRange(h http.Header, size int64) (off, n int64, partial bool, err error) {
	text := h.Get("Range")
	if text == "" {
		if text = h.Get("Content-Range"); text == "" {
			return 0, size, false, nil
		}
		text, _, _ = strings.Cut(strings.ReplaceAll(text, "bytes ", "bytes="), "/")
	}
	bad := errs.New(errs.Range, "Invalid Range header %.100q for an image of %d bytes: one range of bytes is understood.", text, size)
	spec, ok := strings.CutPrefix(strings.TrimSpace(text), "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !ok || !dash {
		return 0, 0, false, bad
	}
	if first == "" { // the last bytes
		k, perr := strconv.ParseInt(last, 10, 64)
		if perr != nil || k <= 0 {
			return 0, 0, false, bad
		}
		k = min(k, size)
		return size - k, k, true, nil
	}
	off, perr := strconv.ParseInt(first, 10, 64)
	if perr != nil || off < 0 || off >= size {
		return 0, 0, false, bad
	}
	end := size - 1
	if last != "" {
		if end, perr = strconv.ParseInt(last, 10, 64); perr != nil || end < off {
			return 0, 0, false, bad
		}
		end = min(end, size-1)
	}
	return off, end - off + 1, true, nil
}

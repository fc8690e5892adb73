package s3_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kumoi/internal/image/backend/s3"
)

// pretended is an object store in memory that speaks as much of S3 as the image
// store asks for, and refuses on command what a real one does not refuse.
type pretended struct {
	mu      sync.Mutex
	buckets map[string]bool
	objects map[string][]byte            // by bucket and key
	uploads map[string]map[string][]byte // the parts of unfinished uploads, by id
	keys    map[string]string            // their buckets and keys, by id
	next    int
	largest int // of the bodies that were sent
	refuse  func(r *http.Request) (status int, code string)
	server  *httptest.Server
}

func newPretended(t *testing.T) *pretended {
	p := &pretended{buckets: map[string]bool{}, objects: map[string][]byte{}, uploads: map[string]map[string][]byte{}, keys: map[string]string{}}
	p.server = httptest.NewTLSServer(p)
	t.Cleanup(p.server.Close)
	return p
}

// store is a store in a bucket; change may change its settings.
func (p *pretended) store(t *testing.T, bucket string, change func(*s3.Config)) *s3.Store {
	t.Helper()
	cfg := s3.Config{
		Endpoint: p.server.URL, Region: "us-east-1", Bucket: bucket, Prefix: "/images/", AccessKey: "a", SecretKey: "b",
		CreateBucket: true, PartSize: 5 << 20, Transport: p.server.Client().Transport,
	}
	if change != nil {
		change(&cfg)
	}
	s, err := s3.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// left lists the objects and counts the unfinished uploads.
func (p *pretended) left() (objects []string, uploads int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key := range p.objects {
		objects = append(objects, key)
	}
	slices.Sort(objects)
	return objects, len(p.uploads)
}

func (p *pretended) refuseWith(status int, code string, where func(r *http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = func(r *http.Request) (int, string) {
		if where(r) {
			return status, code
		}
		return 0, ""
	}
}

func (p *pretended) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.largest = max(p.largest, len(body))
	if p.refuse != nil {
		if status, code := p.refuse(r); status != 0 {
			answer(w, status, struct {
				XMLName xml.Name `xml:"Error"`
				Code    string
			}{Code: code})
			return
		}
	}
	at, q := strings.Trim(r.URL.Path, "/"), r.URL.Query()
	bucket, _, isObject := strings.Cut(at, "/")
	switch {
	case !isObject && r.Method == http.MethodPut:
		p.buckets[bucket] = true
	case !p.buckets[bucket]:
		answer(w, http.StatusNotFound, struct {
			XMLName xml.Name `xml:"Error"`
			Code    string
		}{Code: "NoSuchBucket"})
	case q.Has("uploads") && !isObject:
		p.listUploads(w, bucket, q.Get("prefix"))
	case q.Has("uploads"):
		p.next++
		id := fmt.Sprint("upload-", p.next)
		p.uploads[id], p.keys[id] = map[string][]byte{}, at
		answer(w, http.StatusOK, struct {
			XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
			UploadID string   `xml:"UploadId"`
		}{UploadID: id})
	case q.Has("uploadId"):
		p.part(w, r, at, q.Get("uploadId"), q.Get("partNumber"), body)
	case isObject:
		p.object(w, r, at, body)
	}
}

func (p *pretended) listUploads(w http.ResponseWriter, bucket, prefix string) {
	type upload struct {
		Key      string
		UploadID string `xml:"UploadId"`
	}
	var out struct {
		XMLName xml.Name `xml:"ListMultipartUploadsResult"`
		Upload  []upload
	}
	for id, at := range p.keys {
		if key, ok := strings.CutPrefix(at, bucket+"/"); ok && strings.HasPrefix(key, prefix) {
			out.Upload = append(out.Upload, upload{key, id})
		}
	}
	answer(w, http.StatusOK, out)
}

func (p *pretended) part(w http.ResponseWriter, r *http.Request, at, id, number string, body []byte) {
	parts, ok := p.uploads[id]
	switch {
	case !ok:
		answer(w, http.StatusNotFound, struct {
			XMLName xml.Name `xml:"Error"`
			Code    string
		}{Code: "NoSuchUpload"})
	case r.Method == http.MethodPut:
		parts[number] = body
		w.Header().Set("ETag", etag(body))
	case r.Method == http.MethodDelete:
		delete(p.uploads, id)
		delete(p.keys, id)
		w.WriteHeader(http.StatusNoContent)
	default:
		var whole []byte
		for i := range len(parts) {
			whole = append(whole, parts[strconv.Itoa(i+1)]...)
		}
		p.objects[at] = whole
		delete(p.uploads, id)
		delete(p.keys, id)
		answer(w, http.StatusOK, struct {
			XMLName           xml.Name `xml:"CompleteMultipartUploadResult"`
			Bucket, Key, ETag string
		}{Bucket: "bucket", Key: at, ETag: etag(whole)})
	}
}

func (p *pretended) object(w http.ResponseWriter, r *http.Request, at string, body []byte) {
	data, ok := p.objects[at]
	switch r.Method {
	case http.MethodPut:
		p.objects[at] = body
		w.Header().Set("ETag", etag(body))
	case http.MethodDelete:
		delete(p.objects, at)
		w.WriteHeader(http.StatusNoContent)
	default:
		if !ok {
			answer(w, http.StatusNotFound, struct {
				XMLName xml.Name `xml:"Error"`
				Code    string
			}{Code: "NoSuchKey"})
			return
		}
		w.Header().Set("ETag", etag(data))
		http.ServeContent(w, r, "", time.Unix(1e9, 0), bytes.NewReader(data))
	}
}

func etag(data []byte) string {
	sum := md5.Sum(data)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func answer(w http.ResponseWriter, status int, v any) {
	text, _ := xml.Marshal(v)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

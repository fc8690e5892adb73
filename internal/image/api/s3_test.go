package api_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"kumoi/internal/image"
	"kumoi/internal/image/backend/s3"
	"kumoi/internal/image/backend/s3/s3test"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store/storetest"
)

// Files and a real S3 server side by side: uploads to either, a copy between
// them, reading by ranges, and nothing left after a deletion.
func TestFilesAndS3(t *testing.T) {
	t.Parallel()
	bucket, err := s3.New(s3.Config{
		Endpoint: s3test.Server(t), Region: "us-east-1", Bucket: "images", AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey,
		CreateBucket: true, PartSize: 5 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	c := newCloud(t, storetest.SQLite(t), func(d *image.Deps) {
		d.Stores = []image.NamedStore{{ID: "files", Backend: fileStore(t)}, {ID: "bucket", Weight: 1, Backend: bucket}}
		d.Config.CacheSize = 0
	})
	until(t, "upkeep makes the bucket", func() bool { return bucket.Check(t.Context()) == nil })
	data := noise(12 << 20)
	direct, copied := c.create("alice"), c.create("alice")
	c.As("alice").Want(204, "PUT", "/v2/images/"+direct+"/file", data, "X-Image-Meta-Store", "bucket")
	c.As("alice").Want(204, "PUT", "/v2/images/"+copied+"/file", data)
	c.importBy(202, "admin", copied, "copy-image", map[string]any{"stores": []string{"bucket"}})
	c.settle()
	if img := c.show("alice", copied); img["stores"] != "files,bucket" {
		t.Errorf("copied: %v", img)
	}
	c.As("admin").Want(204, "DELETE", "/v2/stores/files/"+copied, nil)
	for _, id := range []string{direct, copied} {
		if got := c.As("alice").Want(200, "GET", "/v2/images/"+id+"/file", nil); !bytes.Equal(got.Raw, data) {
			t.Errorf("%d bytes come back, and differ", len(got.Raw))
		}
		got := c.As("alice").Want(206, "GET", "/v2/images/"+id+"/file", nil, "Range", "bytes=7000000-7000999")
		if !bytes.Equal(got.Raw, data[7_000_000:7_001_000]) {
			t.Error("a range differs")
		}
		var locations []struct{ URL string }
		if err := json.Unmarshal(c.As("admin").Want(200, "GET", "/v2/images/"+id+"/locations", nil).Raw, &locations); err != nil || len(locations) != 1 {
			t.Fatalf("locations: %v, %v", locations, err)
		}
		c.As("alice").Want(204, "DELETE", "/v2/images/"+id, nil)
		until(t, "the object is gone", func() bool {
			_, err := bucket.Open(t.Context(), locations[0].URL)
			return errs.Is(err, errs.NotFound)
		})
	}
}

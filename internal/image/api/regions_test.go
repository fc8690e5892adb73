package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kumoi/internal/image"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// regions are identity's word of where other regions' image services are, by
// region and interface.
type regions map[string]string

func (regions) Allowances(context.Context, *store.Tx, string, string, string) (map[string]int64, error) {
	return nil, nil
}

func (r regions) RegionEndpoint(_ context.Context, _ *store.Tx, serviceType, region, iface string) (string, error) {
	if serviceType != "image" || region == "broken" {
		return "", errors.New("the catalogue cannot be read")
	}
	return r[region+" "+iface], nil
}

// An image of another region comes over with what its owner may see there, and
// with those properties that the operator lets through.
func TestOtherRegions(t *testing.T) {
	t.Parallel()
	data := noise(50_000)
	var record string
	var fileStatus int
	odd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Auth-Token") != "alice" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		if strings.HasSuffix(r.URL.Path, "/file") {
			w.WriteHeader(fileStatus)
		}
		fmt.Fprint(w, record)
	}))
	t.Cleanup(odd.Close)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, odd.URL+r.URL.Path, http.StatusFound)
	}))
	t.Cleanup(elsewhere.Close)
	there := newCloud(t, storetest.SQLite(t))
	known := regions{
		"there public": there.url, "slash public": there.url + "/", "versioned public": there.url + "/v2/", "inside internal": there.url,
		"odd public": odd.URL, "away public": "http://127.0.0.1:1", "redirecting public": elsewhere.URL,
	}
	here := newCloud(t, storetest.SQLite(t), func(d *image.Deps) { d.Identity = known })
	src := there.create("alice", "os_distro", "debian", "hw_disk_bus", "scsi", "trait:X", "required", "speed", "fast", "name", "theirs", "disk_format", "iso")
	there.As("alice").Want(204, "PUT", "/v2/images/"+src+"/file", data)
	empty := there.create("alice")
	fetch := func(who, region, iface, id string) map[string]any {
		t.Helper()
		mine := here.create(who, "name", "ours")
		more := map[string]any{"glance_region": region, "glance_image_id": id}
		if iface != "" {
			more["glance_service_interface"] = iface
		}
		here.importBy(202, who, mine, "glance-download", more)
		here.settle()
		img := here.show(who, mine)
		tasks := here.As(who).Want(200, "GET", "/v2/images/"+mine+"/tasks", nil).Get("tasks").([]any)
		img["why"] = tasks[0].(map[string]any)["message"]
		return img
	}
	for _, at := range [][2]string{{"there", ""}, {"there", "public"}, {"slash", ""}, {"versioned", ""}, {"inside", "internal"}} {
		img := fetch("alice", at[0], at[1], src)
		if img["status"] != "active" || img["disk_format"] != "iso" || img["name"] != "ours" || img["os_distro"] != "debian" || img["hw_disk_bus"] != "scsi" ||
			img["trait:X"] != "required" || img["speed"] != nil {
			t.Fatalf("from %v: %v", at, img)
		}
		if got := here.As("alice").Want(200, "GET", "/v2/images/"+img["id"].(string)+"/file", nil); !bytes.Equal(got.Raw, data) {
			t.Errorf("from %v: other data", at)
		}
	}
	const whole = `{"status":"active","disk_format":"raw","container_format":"bare","os_distro":7,"os_type":""}`
	for _, tc := range []struct {
		who, region, iface, id, record string
		file                           int
		why                            string
	}{
		{"bob", "there", "", src, "", 200, "404"},
		{"alice", "there", "", empty, "", 200, "queued, not active"},
		{"alice", "inside", "", src, "", 200, "no image service"},
		{"alice", "there", "admin", src, "", 200, "no image service"},
		{"alice", "nowhere", "", src, "", 200, "no image service"},
		{"alice", "away", "", src, "", 200, "could not be reached"},
		{"alice", "broken", "", src, "", 200, ""},
		{"alice", "redirecting", "", src, whole, 200, "302"},
		{"alice", "odd", "", src, "x", 200, "did not answer with an image"},
		{"alice", "odd", "", src, `{"status":7}`, 200, "not active"},
		{"alice", "odd", "", src, whole, 403, "403"},
	} {
		record, fileStatus = tc.record, tc.file
		if img := fetch(tc.who, tc.region, tc.iface, tc.id); img["status"] != "queued" || !strings.Contains(img["why"].(string), tc.why) {
			t.Errorf("%s from %s %s: %v", tc.who, tc.region, tc.iface, img)
		}
	}
	record, fileStatus = whole, 200
	if img := fetch("alice", "odd", "", src); img["status"] != "active" || img["os_distro"] != nil || img["os_type"] != nil || img["size"] != float64(len(whole)) {
		t.Errorf("properties that are no texts: %v", img)
	}
	// An image of one's own region is read as oneself, and as it is now.
	for _, tc := range []struct{ who, id, why string }{
		{"alice", here.create("alice"), "no data"}, {"bob", here.create("alice", "visibility", "private"), "No image found"},
	} {
		if img := fetch(tc.who, "RegionOne", "", tc.id); img["status"] != "queued" || !strings.Contains(img["why"].(string), tc.why) {
			t.Errorf("%s from here: %v", tc.who, img)
		}
	}
}

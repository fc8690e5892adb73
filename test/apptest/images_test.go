package apptest

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/limits"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/regions"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/registeredlimits"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

	"kumoi/internal/app"
)

// Identity's unified limits are the image service's quotas, as they are at the
// moment of a request.
func TestImageLimits(t *testing.T) {
	Each(t, func(t *testing.T, c *Cloud) {
		admin := c.Admin()
		user := c.NewUser(admin, "ann")
		page, err := services.List(admin.Identity, services.ListOpts{ServiceType: "image"}).AllPages(admin.ctx)
		if err != nil {
			t.Fatal(err)
		}
		glance := must[[]services.Service](t)(services.ExtractServices(page))[0]
		var project string
		create := func() error {
			img, err := images.Create(user.ctx, user.Image, images.CreateOpts{Name: "x", DiskFormat: "raw", ContainerFormat: "bare"}).Extract()
			if err == nil {
				project = img.Owner
			}
			return err
		}
		count := func() (usage, limit int64) {
			var out struct {
				Usage map[string]struct{ Usage, Limit int64 }
			}
			if _, err := user.Image.Get(user.ctx, user.Image.ServiceURL("info", "usage"), &out, nil); err != nil {
				t.Fatal(err)
			}
			return out.Usage["image_count_total"].Usage, out.Usage["image_count_total"].Limit
		}
		if err := create(); err != nil {
			t.Fatal(err)
		}
		if usage, limit := count(); usage != 1 || limit != -1 {
			t.Errorf("without a limit: %d of %d", usage, limit)
		}
		must[[]registeredlimits.RegisteredLimit](t)(registeredlimits.BatchCreate(admin.ctx, admin.Identity, registeredlimits.BatchCreateOpts{
			{ServiceID: glance.ID, RegionID: "RegionOne", ResourceName: "image_count_total", DefaultLimit: 1},
		}).Extract())
		if err := create(); !gophercloud.ResponseCodeIs(err, http.StatusRequestEntityTooLarge) {
			t.Errorf("beyond the registered limit: %v", err)
		}
		own := must[[]limits.Limit](t)(limits.BatchCreate(admin.ctx, admin.Identity, limits.BatchCreateOpts{
			{ServiceID: glance.ID, RegionID: "RegionOne", ResourceName: "image_count_total", ProjectID: project, ResourceLimit: 2},
		}).Extract())
		if err := create(); err != nil {
			t.Errorf("within the project's own limit: %v", err)
		}
		if usage, limit := count(); usage != 2 || limit != 2 {
			t.Errorf("with a limit of its own: %d of %d", usage, limit)
		}
		if err := create(); !gophercloud.ResponseCodeIs(err, http.StatusRequestEntityTooLarge) {
			t.Errorf("beyond the project's limit: %v", err)
		}
		if err := limits.Delete(admin.ctx, admin.Identity, own[0].ID).ExtractErr(); err != nil {
			t.Fatal(err)
		}
		if _, limit := count(); limit != 1 {
			t.Errorf("the registered limit does not hold again: %d", limit)
		}
	})
}

// An operator brings an image to a host ahead, and sees it there.
func TestImagePrefetch(t *testing.T) {
	c := New(t)
	admin := c.Admin()
	id := admin.NewImage()
	client := app.AdminClientOf(c.Config.DataDir)
	ask := func(method, path string, in any) []app.HostImageRow {
		t.Helper()
		var rows []app.HostImageRow
		if err := client.Call(t.Context(), method, path, in, &rows); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	if rows := ask("GET", "/images/cache", nil); len(rows) != 1 || rows[0].Host != "testhost" || rows[0].Image != "" {
		t.Errorf("before: %+v", rows)
	}
	if rows := ask("POST", "/images/prefetch", app.PrefetchRequest{Image: "small", Hosts: []string{"testhost"}}); len(rows) != 1 || rows[0].Error != "" {
		t.Errorf("fetched: %+v", rows)
	}
	rows := ask("GET", "/images/cache?host=testhost", nil)
	if len(rows) != 1 || rows[0].Image != id || rows[0].Name != "small" || rows[0].Format != "raw" || rows[0].Disks != 0 || rows[0].Limit != 1<<30 {
		t.Errorf("after: %+v", rows)
	}
	for what, r := range map[string]app.PrefetchRequest{
		"an unknown host": {Image: id, Hosts: []string{"nowhere"}}, "an unknown image": {Image: "nothing"},
	} {
		if err := client.Call(t.Context(), "POST", "/images/prefetch", r, nil); err == nil {
			t.Errorf("%s is no error", what)
		}
	}
	user := c.NewUser(admin, "ann")
	server := user.NewServer("one", Need{Image: id, Flavor: admin.NewFlavor(), Network: user.NewNetwork("private")})
	user.WaitServer(server, "ACTIVE")
	if rows := ask("GET", "/images/cache", nil); len(rows) != 1 || rows[0].Disks != 1 {
		t.Errorf("in use: %+v", rows)
	}
}

// An image comes from another region's image service, which the catalogue
// names, as the user who asked; here the other region is this cloud again.
func TestImageFromAnotherRegion(t *testing.T) {
	c := New(t)
	admin := c.Admin()
	user := c.NewUser(admin, "ann")
	page, err := services.List(admin.Identity, services.ListOpts{ServiceType: "image"}).AllPages(admin.ctx)
	if err != nil {
		t.Fatal(err)
	}
	glance := must[[]services.Service](t)(services.ExtractServices(page))[0]
	must[*regions.Region](t)(regions.Create(admin.ctx, admin.Identity, regions.CreateOpts{ID: "Far"}).Extract())
	must[*endpoints.Endpoint](t)(endpoints.Create(admin.ctx, admin.Identity, endpoints.CreateOpts{
		Availability: gophercloud.AvailabilityPublic, Name: "image", Region: "Far", ServiceID: glance.ID, URL: "http://" + c.Config.Listen + "/image",
	}).Extract())
	source := must[*images.Image](t)(images.Create(user.ctx, user.Image, images.CreateOpts{
		Name: "source", DiskFormat: "raw", ContainerFormat: "bare", Properties: map[string]string{"os_distro": "debian", "private-note": "x"},
	}).Extract())
	data := bytes.Repeat([]byte("far away "), 10_000)
	if err := imagedata.Upload(user.ctx, user.Image, source.ID, bytes.NewReader(data)).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	copyFrom := func(s *Session, region string) *images.Image {
		t.Helper()
		made := must[*images.Image](t)(images.Create(s.ctx, s.Image, images.CreateOpts{Name: "copy", DiskFormat: "qcow2", ContainerFormat: "bare"}).Extract())
		body := map[string]any{"method": map[string]any{"name": "glance-download", "glance_region": region, "glance_image_id": source.ID}}
		if _, err := s.Image.Post(s.ctx, s.Image.ServiceURL("images", made.ID, "import"), body, nil, &gophercloud.RequestOpts{OkCodes: []int{202}}); err != nil {
			t.Fatal(err)
		}
		Until(t, "the import to end", func() bool {
			made = must[*images.Image](t)(images.Get(s.ctx, s.Image, made.ID).Extract())
			return made.Properties["os_glance_import_task"] == nil
		})
		return made
	}
	got := copyFrom(user, "Far")
	if got.Status != "active" || got.DiskFormat != "raw" || got.Properties["os_distro"] != "debian" || got.Properties["private-note"] != nil || got.SizeBytes != int64(len(data)) {
		t.Errorf("copied: %+v", got)
	}
	if got := copyFrom(user, "Nowhere"); got.Status != "queued" {
		t.Errorf("from a region that there is not: %+v", got)
	}
	other := c.NewUser(admin, "bob") // may not see the image there either
	if got := copyFrom(other, "Far"); got.Status != "queued" {
		t.Errorf("somebody else's image: %+v", got)
	}
}

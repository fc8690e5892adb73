package demo

import (
	"context"
	"os"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
)

// attributes is an image's record as the API takes it.
type attributes map[string]any

func (a attributes) ToImageCreateMap() (map[string]any, error) { return a, nil }

// Register uploads a file as a public image through the API and returns its id.
func Register(ctx context.Context, c Credentials, record map[string]any, file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	p, err := c.Client(ctx)
	if err != nil {
		return "", err
	}
	client, err := openstack.NewImageV2(p, gophercloud.EndpointOpts{Region: c.Region})
	if err != nil {
		return "", err
	}
	a := attributes{"visibility": "public"}
	for k, v := range record {
		a[k] = v
	}
	made, err := images.Create(ctx, client, a).Extract()
	if err != nil {
		return "", err
	}
	if err := imagedata.Upload(ctx, client, made.ID, f).ExtractErr(); err != nil {
		_ = images.Delete(ctx, client, made.ID).ExtractErr() // leave no empty record behind
		return "", err
	}
	return made.ID, nil
}

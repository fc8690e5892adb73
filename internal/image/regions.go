package image

import "context"

// Regions knows the image services of other clouds' regions.
type Regions interface {
	// ImageEndpoint returns the URL of a region's image service for an
	// interface (public, internal, admin); local tells that it is this one.
	ImageEndpoint(ctx context.Context, region, iface string) (url string, local bool, err error)
}

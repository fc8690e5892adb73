package compute

import (
	"context"
	"slices"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// bootImage finds the image to boot from; nil if the server boots from a volume.
func (s *orders) bootImage(ctx context.Context, r *CreateServer) (*Image, error) {
	named := r.ImageID
	var image *Image
	var err error
	if named != "" {
		if image, err = s.imageToBoot(ctx, named); err != nil {
			return nil, err
		}
		if err := r.takeDevices(image); err != nil {
			return nil, err
		}
	}
	r.Devices = slices.DeleteFunc(r.Devices, func(d BlockDevice) bool { return d.NoDevice })
	if err := s.checkDevices(r); err != nil {
		return nil, err
	}
	switch {
	case r.bootDevice() != nil:
		return nil, nil
	case r.ImageID == "":
		return nil, errs.New(errs.Invalid, "Invalid imageRef provided.")
	case r.ImageID != named: // a device names it
		return s.imageToBoot(ctx, r.ImageID)
	}
	return image, nil
}

func (s *orders) imageToBoot(ctx context.Context, id string) (*Image, error) {
	image, err := s.images.Show(ctx, id)
	if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Forbidden) {
		return nil, errs.New(errs.Invalid, "Can not find requested image")
	}
	if err != nil {
		return nil, err
	}
	return image, usable(image)
}

func usable(image *Image) error {
	if image.Status != "active" {
		return errs.New(errs.Invalid, "Image %s is not active.", image.ID)
	}
	return nil
}

// rootDisk is the disk made from an image; none if the image lies in a volume.
func rootDisk(image *Image, sizeGiB int) hostapi.RootDisk {
	if image.ID == "" {
		return hostapi.RootDisk{}
	}
	return hostapi.RootDisk{
		ImageID: image.ID, SizeGiB: sizeGiB, DiskFormat: image.DiskFormat, ImageBytes: image.Bytes(), SHA512: image.SHA512(),
	}
}

// fitsImage tells whether an image may be booted with a flavor.
func (s *orders) fitsImage(ctx context.Context, f *Flavor, image *Image) error {
	if f.RAM < int(image.MinRAM) {
		return errs.New(errs.Invalid, "Flavor's memory is too small for requested image. Flavor has %d MB, image needs %d MB.", f.RAM, image.MinRAM)
	}
	if image.ID == "" { // it lies in a volume, which was measured
		return nil
	}
	if f.Disk == 0 {
		if s.policy.Allowed(ctx, "os_compute_api:servers:create:zero_disk_flavor", own(ctx)) {
			return nil
		}
		return errs.New(errs.Forbidden, "Only volume-backed servers are allowed for flavors with zero disk.")
	}
	if f.Disk < int(image.MinDisk) {
		return errs.New(errs.Invalid, "The created instance's disk would be too small. Flavor disk is smaller than the minimum size specified in image metadata. Flavor disk is %d GiB, minimum size is %d GiB.", f.Disk, image.MinDisk)
	}
	if size := image.DiskBytes(); size > int64(f.Disk)<<30 {
		return errs.New(errs.Invalid, "Flavor's disk is too small for requested image. Flavor disk is %d bytes, image is %d bytes.", int64(f.Disk)<<30, size)
	}
	return nil
}

package compute

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume"
)

// toVolume tells whether a volume lies, or will lie, behind the device.
func (d *BlockDevice) toVolume() bool { return d.DestinationType == "volume" }

// boots tells whether the server boots from the device before all others.
func (d *BlockDevice) boots() bool { return d.BootIndex != nil && *d.BootIndex == 0 }

func badBootOrder() error {
	return badDevices("Boot sequence for the instance and image/block device mapping combination is not valid.")
}

// checkVolumeDevice judges a device with a volume behind it.
func (s *orders) checkVolumeDevice(r *CreateServer, d BlockDevice) error {
	if s.volumes == nil {
		return badDevices("this cloud has no block storage service, so a server cannot use a volume as its device; boot from an image instead.")
	}
	if d.GuestFormat != "" {
		return badDevices("guest_format %q is not supported for a volume: the guest makes the file system.", d.GuestFormat)
	}
	switch d.SourceType {
	case "volume":
		if r.Max > 1 {
			return errs.New(errs.Invalid, "Cannot attach one or more volumes to multiple instances")
		}
	case "image":
		if d.SizeGiB == 0 {
			return badDevices("Images with destination_type 'volume' need to have a non-zero size specified")
		}
		// Clients name the image of a new boot volume as the server's, too.
		if d.boots() && r.ImageID == d.ID {
			r.ImageID = ""
		}
	case "blank":
		switch {
		case d.ID != "":
			return badDevices("Invalid device UUID.")
		case d.SizeGiB == 0:
			return badDevices("Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size")
		case d.boots():
			return badBootOrder()
		}
	}
	return nil
}

// checkBootOrder wants the boot indexes 0, 1, 2 and so on, each once. An image
// that the server boots from has index 0 though no device says so; one that is
// named beside a volume to boot from is not used, as in Nova.
func (r *CreateServer) checkBootOrder() error {
	var order []int
	implied := r.ImageID != ""
	for _, d := range r.Devices {
		if d.BootIndex != nil && *d.BootIndex >= 0 {
			order = append(order, *d.BootIndex)
		}
		implied = implied && !d.boots()
	}
	if implied {
		order = append(order, 0)
	}
	if len(order) == 0 && len(r.Devices) == 0 {
		return nil // no image and no device: the caller says so
	}
	slices.Sort(order)
	for i, n := range order {
		if i != n {
			return badBootOrder()
		}
	}
	if len(order) == 0 {
		return badBootOrder()
	}
	return nil
}

// bootDevice is the device with a volume that the server boots from; nil if it
// boots from an image's disk on the host.
func (r *CreateServer) bootDevice() *BlockDevice {
	for i := range r.Devices {
		if d := &r.Devices[i]; d.toVolume() && d.boots() {
			return d
		}
	}
	return nil
}

// bootVolume is what is known of the image that lies in the volume to boot from:
// an Image without an id. Whoever names an image as well says that it boots: a
// volume that is not known as bootable is refused to the others alone, as by Nova.
func (s *orders) bootVolume(ctx context.Context, tx *store.Tx, r *CreateServer, d *BlockDevice, images map[string]*Image) (*Image, error) {
	var v *volume.Volume
	var err error
	size := d.SizeGiB
	switch d.SourceType {
	case "image":
		image := *images[d.ID]
		if int64(size) < image.MinDisk {
			return nil, errs.New(errs.Invalid, "Volume is smaller than the minimum size specified in image metadata. Volume size is %d bytes, minimum size is %d bytes.", int64(size)<<30, image.MinDisk<<30)
		}
		image.Properties = maps.Clone(image.Properties)
		if image.Properties == nil {
			image.Properties = map[string]string{}
		}
		image.ID, image.Properties["image_id"] = "", d.ID // as a volume remembers it
		return &image, nil
	case "snapshot":
		snap, serr := s.volumes.SnapshotTx(ctx, tx, d.ID)
		if serr != nil {
			return nil, noSource(serr, "snapshot", d.ID)
		}
		v, err = s.volumes.VolumeTx(ctx, tx, snap.VolumeID)
	default:
		if v, err = s.volumes.VolumeTx(ctx, tx, d.ID); err == nil {
			size = v.SizeGiB
		}
	}
	if err != nil {
		return nil, noSource(err, d.SourceType, d.ID)
	}
	if !v.Bootable && r.ImageID == "" {
		return nil, badDevices("Block Device %s is not bootable.", d.ID)
	}
	image := &Image{Properties: v.ImageMetadata, Status: "active"}
	image.MinRAM, _ = strconv.ParseInt(v.ImageMetadata["min_ram"], 10, 64) // "" is none
	if disk, _ := strconv.ParseInt(v.ImageMetadata["min_disk"], 10, 64); size != 0 && int64(size) < disk {
		return nil, errs.New(errs.Invalid, "Volume is smaller than the minimum size specified in image metadata. Volume size is %d bytes, minimum size is %d bytes.", int64(size)<<30, disk<<30)
	}
	return image, nil
}

// noSource words the absence of what a device is to be made from. What belongs
// to others is as unknown as what is not there.
func noSource(err error, what, id string) error {
	if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Forbidden) {
		return badDevices("failed to get %s %s.", what, id)
	}
	return err
}

// imagesOf finds the images that volumes are to be made from.
func (s *orders) imagesOf(ctx context.Context, r *CreateServer) (map[string]*Image, error) {
	out := map[string]*Image{}
	for _, d := range r.Devices {
		if d.SourceType != "image" || !d.toVolume() {
			continue
		}
		image, err := s.images.Show(ctx, d.ID)
		if err != nil {
			return nil, noSource(err, "image", d.ID)
		}
		if err := usable(image); err != nil {
			return nil, err
		}
		out[d.ID] = image
	}
	return out, nil
}

// orderDevices makes the server's volumes, or reserves those that are there, in
// the transaction that makes the server.
func (s *orders) orderDevices(ctx context.Context, tx *store.Tx, srv *Server, r *CreateServer, images map[string]*Image) error {
	var devices []*VolumeDevice
	for _, want := range r.Devices {
		if !want.toVolume() {
			continue
		}
		d := &VolumeDevice{
			ID: ids.New(), ServerID: srv.ID, Number: len(devices), AttachmentID: ids.New(), Source: want.SourceType, SourceID: want.ID,
			SizeGiB: want.SizeGiB, VolumeType: want.VolumeType, BootIndex: -1, Bus: want.Bus, Type: want.DeviceType, Tag: want.Tag,
			DeleteOnTermination: want.DeleteOnTermination, CreatedAt: s.now().UTC(),
		}
		if want.BootIndex != nil && *want.BootIndex >= 0 {
			d.BootIndex = *want.BootIndex
		}
		if slices.ContainsFunc(devices, func(o *VolumeDevice) bool { return !d.made() && o.VolumeID == d.SourceID }) {
			return badDevices("volume %s is named twice.", d.SourceID)
		}
		if err := srv.nameDevice(d, want.Device, devices); err != nil {
			return err
		}
		if err := s.orderVolume(ctx, tx, srv, d, images[d.SourceID]); err != nil {
			return err
		}
		if err := s.devices.Insert(ctx, tx, d); err != nil {
			return err
		}
		devices = append(devices, d)
	}
	return nil
}

// orderVolume reserves a device's volume, or begins to make it.
func (s *orders) orderVolume(ctx context.Context, tx *store.Tx, srv *Server, d *VolumeDevice, image *Image) error {
	if !d.made() {
		v, err := s.volumes.VolumeTx(ctx, tx, d.SourceID)
		if err != nil {
			return noSource(err, "volume", d.SourceID)
		}
		d.VolumeID, d.SizeGiB, d.Multiattach, d.State = v.ID, v.SizeGiB, v.Multiattach, DeviceReserved
		return s.volumes.ReserveTx(ctx, tx, srv.attachment(d))
	}
	want := volume.NewVolume{SizeGiB: d.SizeGiB, Type: d.VolumeType}
	switch d.Source {
	case "snapshot":
		if _, err := s.volumes.SnapshotTx(ctx, tx, d.SourceID); err != nil {
			return noSource(err, "snapshot", d.SourceID)
		}
		want.SnapshotID = d.SourceID
	case "image":
		want.ImageID = d.SourceID
	}
	v, err := s.volumes.CreateTx(ctx, tx, want, image)
	if err != nil {
		return invalidIfMissing(err, "%s", errs.As(err).Msg) // of a type, say: the body names it
	}
	d.VolumeID, d.SizeGiB, d.Multiattach, d.State = v.ID, v.SizeGiB, v.Multiattach, DeviceMaking
	return nil
}

// attachment is the device as the volume service knows it.
func (srv *Server) attachment(d *VolumeDevice) volume.ServerAttachment {
	return volume.ServerAttachment{ID: d.AttachmentID, VolumeID: d.VolumeID, ServerID: srv.ID, Device: d.Name}
}

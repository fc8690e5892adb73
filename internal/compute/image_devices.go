package compute

import (
	"encoding/json"
	"slices"

	"kumoi/internal/kernel/errs"
)

// imageDevice is an entry of the property block_device_mapping, by which an
// image of a volume-backed server names the snapshots of its volumes.
type imageDevice struct {
	SourceType          string `json:"source_type"`
	DestinationType     string `json:"destination_type"`
	SnapshotID          string `json:"snapshot_id,omitempty"`
	VolumeID            string `json:"volume_id,omitempty"`
	ImageID             string `json:"image_id,omitempty"`
	BootIndex           *int   `json:"boot_index"`
	DeviceName          string `json:"device_name,omitempty"`
	DeviceType          string `json:"device_type,omitempty"`
	DiskBus             string `json:"disk_bus,omitempty"`
	GuestFormat         string `json:"guest_format,omitempty"`
	VolumeSize          int    `json:"volume_size,omitempty"`
	VolumeType          string `json:"volume_type,omitempty"`
	Tag                 string `json:"tag,omitempty"`
	DeleteOnTermination bool   `json:"delete_on_termination"`
	NoDevice            bool   `json:"no_device,omitempty"`
}

// takeDevices adds the devices that an image brings along. What the request
// says of a name goes before what the image says.
func (r *CreateServer) takeDevices(image *Image) error {
	text := image.Properties["block_device_mapping"]
	if text == "" {
		return nil
	}
	var entries []imageDevice
	if err := json.Unmarshal([]byte(text), &entries); err != nil {
		return errs.Wrap(errs.Invalid, err, "Image %s is unacceptable: its property block_device_mapping is no list of devices.", image.ID)
	}
	var own []BlockDevice
	for _, e := range entries {
		if e.NoDevice || e.DeviceName != "" && slices.ContainsFunc(r.Devices, func(d BlockDevice) bool { return d.Device == e.DeviceName }) {
			continue
		}
		d := BlockDevice{
			SourceType: e.SourceType, DestinationType: e.DestinationType, BootIndex: e.BootIndex, SizeGiB: e.VolumeSize,
			DeleteOnTermination: e.DeleteOnTermination, Tag: e.Tag, GuestFormat: e.GuestFormat, Device: e.DeviceName,
			Bus: e.DiskBus, DeviceType: e.DeviceType, VolumeType: e.VolumeType,
		}
		switch d.SourceType {
		case "snapshot":
			d.ID = e.SnapshotID
		case "volume":
			d.ID = e.VolumeID
		case "image":
			d.ID = e.ImageID
		}
		if d.boots() { // then the image itself holds no disk
			r.ImageID = ""
		}
		own = append(own, d)
	}
	// Clients name the image as the disk to boot from, which it is not.
	r.Devices = append(own, slices.DeleteFunc(r.Devices, func(d BlockDevice) bool {
		return r.ImageID == "" && d.SourceType == "image" && d.ID == image.ID && !d.toVolume()
	})...)
	return nil
}

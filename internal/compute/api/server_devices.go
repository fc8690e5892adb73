package api

import (
	"slices"
	"strconv"
	"strings"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/rest"
)

// deviceProperties are those of an entry of block_device_mapping_v2 in all versions.
func deviceProperties() object {
	return object{
		"virtual_name": object{"type": "string", "maxLength": 255}, "volume_id": uuidType, "snapshot_id": uuidType,
		"volume_size": whole(0, 0x7fffffff), "device_name": object{"type": "string", "minLength": 1, "maxLength": 255, "pattern": `^[a-zA-Z0-9._/-]*$`},
		"delete_on_termination": boolType, "no_device": object{}, "connection_info": object{"type": "string"},
		"source_type": object{"type": "string", "enum": list{"volume", "image", "snapshot", "blank"}}, "uuid": object{"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9._-]*$"},
		"image_id": uuidType, "destination_type": object{"type": "string", "enum": list{"local", "volume"}},
		"guest_format": object{"type": "string", "maxLength": 255}, "device_type": object{"type": "string", "maxLength": 255},
		"disk_bus": object{"type": "string", "maxLength": 255}, "boot_index": object{"type": list{"integer", "string", "null"}, "pattern": "^-?[0-9]+$"},
	}
}

// legacyDevice are the properties of an entry of block_device_mapping, whose
// others are ignored.
var legacyDevice = object{
	"virtual_name": object{"type": "string", "maxLength": 255}, "volume_id": uuidType, "snapshot_id": uuidType,
	"volume_size": whole(0, 0x7fffffff), "device_name": object{"type": "string", "minLength": 1, "maxLength": 255, "pattern": `^[a-zA-Z0-9._/-]*$`},
	"delete_on_termination": boolType, "no_device": object{}, "connection_info": object{"type": "string"},
}

type deviceBody struct {
	SourceType  string    `json:"source_type"`
	Destination string    `json:"destination_type"`
	UUID        string    `json:"uuid"`
	VolumeID    string    `json:"volume_id"`
	SnapshotID  string    `json:"snapshot_id"`
	ImageID     string    `json:"image_id"`
	BootIndex   *rest.Int `json:"boot_index"`
	Size        rest.Int  `json:"volume_size"`
	Delete      rest.Bool `json:"delete_on_termination"`
	GuestFormat string    `json:"guest_format"`
	Device      string    `json:"device_name"`
	Tag         string    `json:"tag"`
	VolumeType  *string   `json:"volume_type"`
	Bus         string    `json:"disk_bus"`
	DeviceType  string    `json:"device_type"`
	NoDevice    any       `json:"no_device"`
}

// oldDeviceBody is an entry of block_device_mapping.
type oldDeviceBody struct {
	Virtual    string    `json:"virtual_name"`
	VolumeID   string    `json:"volume_id"`
	SnapshotID string    `json:"snapshot_id"`
	Size       rest.Int  `json:"volume_size"`
	Device     string    `json:"device_name"`
	Delete     rest.Bool `json:"delete_on_termination"`
	NoDevice   any       `json:"no_device"`
}

// devices reads either form of the list of devices.
func (s *serverBody) devices() ([]compute.BlockDevice, error) {
	var out []compute.BlockDevice
	for _, d := range s.OldDevices {
		device, err := d.device()
		if err != nil {
			return nil, err
		}
		out = append(out, device)
	}
	if s.Image == "" {
		bootOld(out)
	}
	for _, d := range s.Devices {
		device, err := d.device()
		if err != nil {
			return nil, err
		}
		out = append(out, device)
	}
	return out, nil
}

// bootOld has the server boot from the device called as root disks are, else
// from the first that is not blank: the old form knows no order.
func bootOld(devices []compute.BlockDevice) {
	boots := func(d compute.BlockDevice) bool { return d.SourceType != "blank" && !d.NoDevice }
	at := slices.IndexFunc(devices, func(d compute.BlockDevice) bool { return boots(d) && strings.HasSuffix(d.Device, "da") })
	if at < 0 {
		at = slices.IndexFunc(devices, boots)
	}
	if at >= 0 {
		devices[at].BootIndex = new(0)
	}
}

func (d *oldDeviceBody) device() (compute.BlockDevice, error) {
	out := compute.BlockDevice{
		SizeGiB: int(d.Size), Device: d.Device, DeleteOnTermination: bool(d.Delete), NoDevice: truthy(d.NoDevice),
	}
	switch {
	case d.VolumeID != "":
		out.SourceType, out.DestinationType, out.ID = "volume", "volume", d.VolumeID
	case d.SnapshotID != "":
		out.SourceType, out.DestinationType, out.ID = "snapshot", "volume", d.SnapshotID
	case d.Virtual == "swap":
		out.SourceType, out.DestinationType, out.GuestFormat = "blank", "local", "swap"
	case strings.HasPrefix(d.Virtual, "ephemeral"):
		if _, err := strconv.Atoi(strings.TrimPrefix(d.Virtual, "ephemeral")); err != nil {
			return out, bad("Block Device Mapping is Invalid: Unrecognized legacy format.")
		}
		out.SourceType, out.DestinationType = "blank", "local"
	case !out.NoDevice:
		return out, bad("Block Device Mapping is Invalid: Unrecognized legacy format.")
	}
	return out, nil
}

// truthy is how no_device is read: anything but nothing says yes.
func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != "" && v != "0" && !strings.EqualFold(v, "false")
	}
	return true
}

func (d *deviceBody) device() (compute.BlockDevice, error) {
	out := compute.BlockDevice{
		SourceType: d.SourceType, DestinationType: d.Destination, ID: d.UUID, SizeGiB: int(d.Size),
		DeleteOnTermination: bool(d.Delete), GuestFormat: d.GuestFormat, Device: d.Device, Tag: d.Tag,
		Bus: d.Bus, DeviceType: d.DeviceType, NoDevice: truthy(d.NoDevice),
	}
	for source, id := range map[string]string{"volume": d.VolumeID, "snapshot": d.SnapshotID, "image": d.ImageID} {
		if id != "" && d.SourceType == "" {
			out.SourceType, out.ID = source, id
		}
	}
	if out.DestinationType == "" {
		out.DestinationType = "volume"
	}
	if d.BootIndex != nil {
		n := int(*d.BootIndex)
		out.BootIndex = &n
	}
	if d.VolumeType != nil {
		out.VolumeType = *d.VolumeType
	}
	switch {
	case out.SourceType == "" && !out.NoDevice:
		return out, bad("Block Device Mapping is Invalid: Unrecognized source type")
	case out.SourceType != "blank" && out.ID == "" && !out.NoDevice:
		return out, bad("Block Device Mapping is Invalid: Missing device UUID.")
	}
	return out, nil
}

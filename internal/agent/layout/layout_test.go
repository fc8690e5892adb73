package layout

import (
	"testing"

	"kumoi/internal/hostapi"
)

// A running guest keeps the names of the disks that it has when a volume comes,
// on whatever bus, and whatever name compute has given it.
func TestNamesStayWhenVolumesCome(t *testing.T) {
	t.Parallel()
	for _, bus := range []string{"virtio", "scsi", "sata", "ide"} {
		spec := &hostapi.ServerSpec{
			ConfigDrive: true, Hints: map[string]string{"hw_disk_bus": bus, "hw_cdrom_bus": bus},
			Root: hostapi.RootDisk{ImageID: "i"}, Ephemeral: []hostapi.LocalDisk{{}},
		}
		before := Disks(spec, Optical{})
		spec.Volumes = []hostapi.Volume{{ID: "v", Device: "/dev/" + Buses[bus] + "b"}, {ID: "w", Device: "/dev/" + Buses[bus] + "c"}}
		names := map[string]bool{}
		for i, d := range Disks(spec, Optical{}) {
			if names[d.Device] {
				t.Errorf("%s: two disks are %s", bus, d.Device)
			}
			names[d.Device] = true
			if i < len(before) && (d.Kind != before[i].Kind || d.Device != before[i].Device) {
				t.Errorf("%s: %+v was %+v", bus, d, before[i])
			}
		}
	}
}

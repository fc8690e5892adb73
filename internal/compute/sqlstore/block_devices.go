package sqlstore

import (
	"kumoi/internal/compute"
	"kumoi/internal/kernel/store"
)

func blockDevices() *store.Table[compute.VolumeDevice] {
	return store.NewTable("compute_block_device", func(v *compute.VolumeDevice, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("server_id", &v.ServerID)
		c.Int("number", &v.Number)
		c.Text("volume_id", &v.VolumeID)
		c.Text("attachment_id", &v.AttachmentID)
		c.Text("source", &v.Source)
		c.Text("source_id", &v.SourceID)
		c.Int("size", &v.SizeGiB)
		c.Text("volume_type", &v.VolumeType)
		c.Int("boot_index", &v.BootIndex)
		c.Text("name", &v.Name)
		c.Text("bus", &v.Bus)
		c.Text("device_type", &v.Type)
		c.Text("tag", &v.Tag)
		c.Bool("delete_on_termination", &v.DeleteOnTermination)
		c.Bool("multiattach", &v.Multiattach)
		c.Text("state", (*string)(&v.State))
		c.Time("created_at", &v.CreatedAt)
	})
}

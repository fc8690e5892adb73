package image

import (
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/store"
)

// imageState is an image in events.
type imageState struct {
	Name       string     `json:"name"`
	Status     Status     `json:"status"`
	Visibility Visibility `json:"visibility"`
	DiskFormat string     `json:"disk_format,omitempty"`
	Size       *int64     `json:"size,omitempty"`
	Hidden     bool       `json:"os_hidden,omitempty"`
	Protected  bool       `json:"protected,omitempty"`
}

// tell has events published of what becomes of images, where their rows are written.
func tell(l *event.Log, db *store.DB, t Tables) {
	event.Observe(l, db, t.Images.Name(), "image.image", "image.%s", func(img *Image) event.Subject {
		return event.Subject{Resource: img.ID, Project: img.Owner, State: imageState{
			Name: img.Name, Status: img.Status, Visibility: img.Visibility, DiskFormat: img.DiskFormat, Size: img.Size,
			Hidden: img.Hidden, Protected: img.Protected,
		}}
	})
}

package image

import (
	"context"

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

// tell publishes what becomes of an image, in the transaction that changes its rows.
func (s *Service) tell(ctx context.Context, tx *store.Tx, img *Image, what string) error {
	if s.events == nil {
		return nil
	}
	return s.events.Publish(ctx, tx, event.Event{
		Type: "image.image." + what, Notification: "image." + what, Resource: img.ID, Project: img.Owner,
	}, imageState{
		Name: img.Name, Status: img.Status, Visibility: img.Visibility, DiskFormat: img.DiskFormat, Size: img.Size,
		Hidden: img.Hidden, Protected: img.Protected,
	})
}

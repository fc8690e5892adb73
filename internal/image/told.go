package image

import (
	"context"

	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/store"
)

// told is a Store that publishes what becomes of images, where their rows change.
type told struct {
	Store
	events *event.Log
}

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

// CreateImage inserts an image and tells of it.
func (t told) CreateImage(ctx context.Context, tx *store.Tx, img *Image) error {
	if err := t.Store.CreateImage(ctx, tx, img); err != nil {
		return err
	}
	return t.tell(ctx, tx, img, "create")
}

// SaveImage updates an image and tells of it.
func (t told) SaveImage(ctx context.Context, tx *store.Tx, img *Image) error {
	if err := t.Store.SaveImage(ctx, tx, img); err != nil {
		return err
	}
	if img.Status == Deleted {
		return t.tell(ctx, tx, img, "delete")
	}
	return t.tell(ctx, tx, img, "update")
}

func (t told) tell(ctx context.Context, tx *store.Tx, img *Image, what string) error {
	return t.events.Publish(ctx, tx, event.Event{
		Type: "image.image." + what, Notification: "image." + what, Resource: img.ID, Project: img.Owner,
	}, imageState{
		Name: img.Name, Status: img.Status, Visibility: img.Visibility, DiskFormat: img.DiskFormat, Size: img.Size,
		Hidden: img.Hidden, Protected: img.Protected,
	})
}

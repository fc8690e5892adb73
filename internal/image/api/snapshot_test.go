package api_test

import (
	"testing"

	"kumoi/internal/image"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// A snapshot's image, in which a server's disk travels, is filled by its host:
// nobody else's data gets into it, not its owner's either.
func TestOnlyHostsFillSnapshots(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *cloud) {
		alice := actor.With(t.Context(), &actor.Actor{UserID: "u-alice", ProjectID: "p-alice", Roles: []string{"member", "reader"}})
		id := ids.New()
		err := c.db.Write(alice, func(tx *store.Tx) error {
			return c.svc.Images.CreateSnapshot(alice, tx, image.Snapshot{
				ID: id, Name: "disk", DiskFormat: "raw", ContainerFormat: "bare", Properties: map[string]string{"image_type": "snapshot"},
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		one := "/v2/images/" + id
		for _, who := range []string{"alice", "admin"} {
			as := c.As(who)
			as.Want(403, "PUT", one+"/file", noise(10))
			as.Want(403, "PUT", one+"/stage", noise(10))
		}
		for at, part := range []string{"the disk ", "as it was"} {
			if err := c.svc.Hosts.WriteImage(alice, id, int64(at*9), []byte(part), at == 1, ""); err != nil {
				t.Fatal(err)
			}
		}
		if got := string(c.As("alice").Want(200, "GET", one+"/file", nil).Raw); got != "the disk as it was" {
			t.Errorf("the image has %q", got)
		}
	})
}

package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/volume"
)

const hintsKey = "OS-SCH-HNT:scheduler_hints"

var createVolumeSchema = perVersion(func(minor int) object {
	p := object{
		"name": nameOrNull, "description": descText, "display_name": nameOrNull, "display_description": descText,
		"volume_type": optionalText, "metadata": metaOrNull, "snapshot_id": optionalID, "source_volid": optionalID,
		"consistencygroup_id": optionalID, "size": optionalSize, "availability_zone": optionalText, "multiattach": anything,
		"image_id": optionalText, "imageRef": optionalText,
	}
	if minor >= 13 {
		p["group_id"] = optionalText
	}
	if minor >= 47 {
		p["backup_id"] = optionalID
	}
	volume := open(nil, p)
	if minor >= 53 {
		volume = closed(nil, p)
	}
	return closed(list{"volume"}, object{"volume": volume, hintsKey: object{"type": list{"object", "null"}}})
})

type newVolume struct {
	Volume struct {
		Name        string            `json:"name"`
		Description string            `json:"description"`
		OldName     string            `json:"display_name"`
		OldText     string            `json:"display_description"`
		Type        string            `json:"volume_type"`
		Metadata    map[string]string `json:"metadata"`
		Snapshot    string            `json:"snapshot_id"`
		Source      string            `json:"source_volid"`
		Size        rest.Int          `json:"size"`
		Zone        string            `json:"availability_zone"`
		Multiattach any               `json:"multiattach"`
		Image       string            `json:"image_id"`
		ImageRef    string            `json:"imageRef"`
		Group       string            `json:"group_id"`
		OldGroup    string            `json:"consistencygroup_id"`
		Backup      string            `json:"backup_id"`
	} `json:"volume"`
	Hints map[string]json.RawMessage `json:"OS-SCH-HNT:scheduler_hints"`
}

func (a *api) createVolume(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[newVolume](r, createVolumeSchema)
	if err != nil {
		return nil, err
	}
	n, err := b.domain(r)
	if err != nil {
		return nil, err
	}
	v, err := a.svc.Volumes.Create(ctx, n)
	return a.volumes(true).Answer(ctx, r, http.StatusAccepted, v, err)
}

func (b newVolume) domain(r *httpx.Request) (volume.NewVolume, error) {
	in := b.Volume
	n := volume.NewVolume{
		Name: strings.TrimSpace(in.Name + in.OldName), Description: strings.TrimSpace(in.Description + in.OldText), SizeGiB: int(in.Size), Type: in.Type,
		Zone: in.Zone, Metadata: in.Metadata, GroupID: in.Group + in.OldGroup, SnapshotID: in.Snapshot, SourceID: in.Source, ImageID: in.Image + in.ImageRef,
	}
	if r.AtLeast(3, 47) {
		n.BackupID = in.Backup
	}
	if text, ok := in.Multiattach.(string); ok {
		in.Multiattach, _ = httpx.ParseBool(text)
	}
	if in.Multiattach == true {
		return n, bad("multiattach parameter has been removed. The default behavior is to use multiattach enabled volume types. " +
			"Contact your administrator to create a multiattach enabled volume type and use it to create multiattach volumes.")
	}
	if i := strings.LastIndexByte(n.ImageID, '/'); i >= 0 { // a whole address stands for the id at its end
		n.ImageID = n.ImageID[i+1:]
	}
	var err error
	if n.Hints.Different, err = b.hint("different_host"); err == nil {
		n.Hints.Same, err = b.hint("same_host")
	}
	return n, err
}

// hint is a list of ids, or one.
func (b newVolume) hint(name string) ([]string, error) {
	raw, ok := b.Hints[name]
	if !ok {
		return nil, nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	var many []string
	if json.Unmarshal(raw, &many) != nil {
		return nil, bad("Invalid input for field/attribute %s: a volume's id or a list of them is expected.", name)
	}
	return many, nil
}

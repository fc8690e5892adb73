package backendtest

import (
	"bytes"
	"crypto/rand"
	"fmt"

	"github.com/google/uuid"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

func (j *judge) exports() {
	ref := j.create(&hostapi.VolumeCreate{})
	one := text("one", mib)
	first, conn := j.export(&hostapi.VolumeExport{VolumeRef: ref})
	if conn.VolumeID != ref.ID || conn.Host != j.Name || conn.Address != "" || conn.Export == "" {
		j.Errorf("connection %+v", conn)
	}
	second, _ := j.export(&hostapi.VolumeExport{VolumeRef: ref})
	readOnly, _ := j.export(&hostapi.VolumeExport{VolumeRef: ref, ReadOnly: true})
	j.write(first, 0, one)
	j.holds(second, 0, one)
	j.holds(readOnly, 0, one)
	if _, err := readOnly.WriteAt(one, 0); err == nil {
		j.Error("a client that may only read has written")
	}
	j.is(j.Host.DeleteVolume(j.ctx, ref), errs.Conflict)

	alone := j.create(&hostapi.VolumeCreate{})
	client := uuid.NewString()
	d, conn := j.export(&hostapi.VolumeExport{VolumeRef: alone, Client: client})
	j.write(d, 0, one)
	j.twice(func() error { return j.Host.UnexportVolume(j.ctx, alone, client) })
	if _, err := d.ReadAt(make([]byte, 512), 0); err == nil {
		j.Error("a client whose export has ended reads")
	}
	if _, err := j.Open(conn); err == nil {
		j.Error("an export that has ended can be opened")
	}
	j.delete(alone)
}

func (j *judge) limits() {
	ref := j.create(&hostapi.VolumeCreate{})
	j.twice(func() error { return j.Host.LimitVolume(j.ctx, ref, hostapi.VolumeLimits{TotalIOPS: 1000}) })
	d, _ := j.export(&hostapi.VolumeExport{VolumeRef: ref, Limits: hostapi.VolumeLimits{TotalBytes: 100 * mib, ReadIOPS: 500, ReadIOPSMax: 1000, ReadIOPSMaxLength: 2}})
	j.write(d, 0, text("one", mib))
	j.twice(func() error { return j.Host.LimitVolume(j.ctx, ref, hostapi.VolumeLimits{}) })
	j.holds(d, 0, text("one", mib))
}

func (j *judge) copies() {
	from, to := j.create(&hostapi.VolumeCreate{}), j.create(&hostapi.VolumeCreate{SizeGiB: 2})
	one, two := text("one", mib), text("two", mib)
	d, _ := j.export(&hostapi.VolumeExport{VolumeRef: from})
	target, conn := j.export(&hostapi.VolumeExport{VolumeRef: to})
	j.write(d, 0, one)
	j.write(d, gib-mib, one)
	j.twice(func() error { return j.Host.CopyVolume(j.ctx, &hostapi.VolumeCopy{From: from, To: *conn}) })
	j.holds(target, 0, one)
	j.holds(target, gib-mib, one)
	j.write(d, 0, two)
	j.holds(target, 0, two)
	j.holds(d, 0, two)

	// Finished, it is shut: nobody writes what the copy does not have.
	j.twice(func() error { return j.Host.FinishCopy(j.ctx, from) })
	if _, err := d.WriteAt(one, 0); err == nil {
		j.Error("a volume is written to that a copy has followed")
	}
	_, err := j.Host.ExportVolume(j.ctx, &hostapi.VolumeExport{VolumeRef: from, Client: "late", Host: j.Name})
	j.is(err, errs.Unavailable)
	j.holds(target, 0, two)
	// Given up, it is as before, and a copy that ended is not finished.
	j.twice(func() error { return j.Host.EndCopy(j.ctx, &hostapi.VolumeCopy{From: from}) })
	d, _ = j.export(&hostapi.VolumeExport{VolumeRef: from})
	j.write(d, 0, one)
	j.is(j.Host.FinishCopy(j.ctx, from), errs.Conflict)
	j.write(d, mib, two)

	idle, copied := j.create(&hostapi.VolumeCreate{}), j.create(&hostapi.VolumeCreate{})
	j.with(idle, nil, func(d Device) { j.write(d, gib/2, one) })
	j.is(j.Host.FinishCopy(j.ctx, idle), errs.Conflict)
	client := uuid.NewString()
	_, conn = j.export(&hostapi.VolumeExport{VolumeRef: copied, Client: client})
	j.twice(func() error { return j.Host.CopyVolume(j.ctx, &hostapi.VolumeCopy{From: idle, To: *conn}) })
	_, err = j.Host.ExportVolume(j.ctx, &hostapi.VolumeExport{VolumeRef: idle, Client: "late", Host: j.Name})
	j.is(err, errs.Unavailable)
	j.twice(func() error { return j.Host.FinishCopy(j.ctx, idle) })
	j.ok(j.Host.UnexportVolume(j.ctx, copied, client))
	j.with(copied, nil, func(d Device) { j.holds(d, gib/2, one) })
	j.delete(idle)
	j.ok(j.Host.EndCopy(j.ctx, &hostapi.VolumeCopy{From: idle}))
}

// inUse takes snapshots of a volume that is written to.
func (j *judge) inUse() {
	ref := j.create(&hostapi.VolumeCreate{})
	d, _ := j.export(&hostapi.VolumeExport{VolumeRef: ref})
	var all []hostapi.VolumeSnapshotRef
	for i := range 3 {
		j.write(d, 0, text(fmt.Sprint("round ", i, ";"), mib))
		j.write(d, int64(i+1)*mib, text(fmt.Sprint("kept ", i, ";"), mib))
		all = append(all, j.snapshot(ref))
	}
	j.write(d, 0, text("last;", mib))
	clone := j.create(&hostapi.VolumeCreate{Volume: &ref})
	j.with(clone, nil, func(c Device) { j.holds(c, 0, text("last;", mib)); j.holds(c, mib, text("kept 0;", mib)) })
	for i, s := range all {
		from := j.create(&hostapi.VolumeCreate{Snapshot: &s})
		j.with(from, nil, func(c Device) { j.holds(c, 0, text(fmt.Sprint("round ", i, ";"), mib)) })
		j.delete(from)
	}
	for _, i := range []int{1, 0, 2} {
		j.twice(func() error { return j.Host.DeleteVolumeSnapshot(j.ctx, all[i]) })
		j.holds(d, 0, text("last;", mib))
		for k := range all {
			j.holds(d, int64(k+1)*mib, text(fmt.Sprint("kept ", k, ";"), mib))
		}
	}
}

func (j *judge) manage() {
	ref, name := j.create(&hostapi.VolumeCreate{SizeGiB: 2}), "theirs-"+uuid.NewString()
	one := text("one", mib)
	j.with(ref, nil, func(d Device) { j.write(d, 0, one) })
	listed := func(name, owner string) {
		j.Helper()
		list, err := j.Host.ManageableVolumes(j.ctx, j.Backend)
		j.ok(err)
		for _, m := range list {
			if m.Name == name || owner != "" && m.Volume == owner {
				if m.Safe != (owner == "") || m.SizeGiB != 2 || m.Safe == (m.Reason != "") {
					j.Errorf("listed as %+v", m)
				}
				return
			}
		}
		j.Errorf("%s %s is not listed: %+v", name, owner, list)
	}
	listed("", ref.ID)
	j.twice(func() error { return j.Host.ReleaseVolume(j.ctx, ref, name) })
	listed(name, "")
	adopted := j.ref()
	j.twice(func() error {
		got, err := j.Host.AdoptVolume(j.ctx, adopted, name)
		if err == nil && got.SizeGiB != 2 {
			j.Errorf("adopted as %+v", got)
		}
		return err
	})
	j.with(adopted, nil, func(d Device) { j.holds(d, 0, one) })
	_, err := j.Host.AdoptVolume(j.ctx, j.ref(), name)
	j.is(err, errs.NotFound)
	for _, name := range []string{"../../etc/passwd", "/etc/passwd", ""} {
		if _, err := j.Host.AdoptVolume(j.ctx, j.ref(), name); err == nil {
			j.Errorf("%q was adopted", name)
		}
	}
}

// manageSnapshots has the older of two snapshots let go and taken over under another id.
func (j *judge) manageSnapshots() {
	ref, name := j.create(&hostapi.VolumeCreate{}), "kept-"+uuid.NewString()
	one, two, three := text("one", mib), text("two", mib), text("three", mib)
	d, _ := j.export(&hostapi.VolumeExport{VolumeRef: ref})
	j.write(d, 0, one)
	older := j.snapshot(ref)
	j.write(d, 0, two)
	newer := j.snapshot(ref)
	j.write(d, 0, three)
	listed := func(name, id string) {
		j.Helper()
		list, err := j.Host.ManageableSnapshots(j.ctx, j.Backend)
		j.ok(err)
		for _, m := range list {
			if m.Volume == ref.ID && m.Name == name && m.Snapshot == id {
				if m.Safe != (id == "") || m.Safe == (m.Reason != "") || m.SizeGiB != 1 {
					j.Errorf("listed as %+v", m)
				}
				return
			}
		}
		j.Errorf("%s %s is not listed: %+v", name, id, list)
	}
	listed(older.SnapshotID, older.SnapshotID)
	j.twice(func() error { return j.Host.ReleaseSnapshot(j.ctx, older, name) })
	listed(name, "")
	j.is(j.Host.ReleaseSnapshot(j.ctx, newer, name), errs.Exists)
	j.ok(j.Host.DeleteVolumeSnapshot(j.ctx, older)) // it is nobody's
	listed(name, "")
	_, err := j.Host.CreateVolume(j.ctx, &hostapi.VolumeCreate{VolumeRef: j.ref(), SizeGiB: 1, Snapshot: &older})
	j.is(err, errs.NotFound)
	another := hostapi.VolumeSnapshotRef{VolumeRef: ref, SnapshotID: uuid.NewString()}
	j.twice(func() error {
		got, err := j.Host.AdoptSnapshot(j.ctx, another, name)
		if err == nil && got.SizeGiB != 1 {
			j.Errorf("adopted as %+v", got)
		}
		return err
	})
	listed(another.SnapshotID, another.SnapshotID)
	from := j.create(&hostapi.VolumeCreate{Snapshot: &another})
	j.with(from, nil, func(d Device) { j.holds(d, 0, one) })
	for _, none := range []string{name, newer.SnapshotID, "", "../../etc/passwd"} {
		_, err := j.Host.AdoptSnapshot(j.ctx, hostapi.VolumeSnapshotRef{VolumeRef: ref, SnapshotID: uuid.NewString()}, none)
		j.is(err, errs.NotFound)
	}
	j.is(j.Host.RevertVolume(j.ctx, another), errs.Conflict) // it is the older one still
	j.twice(func() error { return j.Host.DeleteVolumeSnapshot(j.ctx, newer) })
	j.holds(d, 0, three)

	// What nobody manages keeps its volume, and goes with it where that goes.
	alone := j.create(&hostapi.VolumeCreate{})
	s := j.snapshot(alone)
	j.twice(func() error { return j.Host.ReleaseSnapshot(j.ctx, s, name) })
	j.is(j.Host.DeleteVolume(j.ctx, alone), errs.Conflict)
	parked := "volume-of-" + name
	j.ok(j.Host.ReleaseVolume(j.ctx, alone, parked))
	adopted := j.ref()
	_, err = j.Host.AdoptVolume(j.ctx, adopted, parked)
	j.ok(err)
	back := hostapi.VolumeSnapshotRef{VolumeRef: adopted, SnapshotID: uuid.NewString()}
	_, err = j.Host.AdoptSnapshot(j.ctx, back, name)
	j.ok(err)
	j.ok(j.Host.DeleteVolumeSnapshot(j.ctx, back))
	j.delete(adopted)
}

func (j *judge) notThere() {
	ref := j.ref()
	s := hostapi.VolumeSnapshotRef{VolumeRef: ref, SnapshotID: uuid.NewString()}
	j.ok(j.Host.DeleteVolume(j.ctx, ref))
	j.ok(j.Host.DeleteVolumeSnapshot(j.ctx, s))
	j.ok(j.Host.UnexportVolume(j.ctx, ref, "c"))
	j.is(j.Host.ExtendVolume(j.ctx, ref, 2), errs.NotFound)
	j.is(j.Host.CreateVolumeSnapshot(j.ctx, s), errs.NotFound)
	j.is(j.Host.RevertVolume(j.ctx, s), errs.NotFound)
	_, err := j.Host.ExportVolume(j.ctx, &hostapi.VolumeExport{VolumeRef: ref, Client: "c", Host: j.Name})
	j.is(err, errs.NotFound)
	_, err = j.Host.CreateVolume(j.ctx, &hostapi.VolumeCreate{VolumeRef: ref, SizeGiB: 1, Snapshot: &s})
	j.is(err, errs.NotFound)
	_, err = j.Host.CreateVolume(j.ctx, &hostapi.VolumeCreate{VolumeRef: hostapi.VolumeRef{Backend: "nowhere", ID: ref.ID}, SizeGiB: 1})
	j.is(err, errs.Invalid)
}

func (j *judge) encryption() {
	if !j.Encrypts {
		j.Skip("the backend knows no encryption")
	}
	key := func() *hostapi.VolumeEncryption {
		k := make([]byte, 32)
		_, _ = rand.Read(k)
		return &hostapi.VolumeEncryption{Cipher: "aes-xts-plain64", KeySize: 256, Key: k}
	}
	mine, secret := key(), text("plain text", mib)
	ref := j.create(&hostapi.VolumeCreate{Encryption: mine})
	j.with(ref, mine, func(d Device) {
		if size, err := d.Size(); err != nil || size != gib {
			j.Errorf("size %d, %v", size, err)
		}
		j.holds(d, 0, make([]byte, 0))
		j.write(d, 0, secret)
	})
	for _, wrong := range []*hostapi.VolumeEncryption{nil, key()} {
		_, err := j.Host.ExportVolume(j.ctx, &hostapi.VolumeExport{VolumeRef: ref, Client: "c", Host: j.Name, Encryption: wrong})
		j.is(err, errs.Invalid)
	}
	s := j.snapshot(ref)
	j.twice(func() error { return j.Host.ExtendVolume(j.ctx, ref, 2) })
	j.with(ref, mine, func(d Device) {
		if size, err := d.Size(); err != nil || size != 2*gib {
			j.Errorf("size %d, %v", size, err)
		}
		j.holds(d, 0, secret)
	})
	from := j.create(&hostapi.VolumeCreate{Snapshot: &s, Encryption: mine})
	j.with(from, mine, func(d Device) { j.holds(d, 0, secret) })
	// What leaves the host as it is stored is not readable.
	image := uuid.NewString()
	j.ok(j.Host.UploadVolume(j.ctx, &hostapi.VolumeUpload{VolumeRef: ref, ImageID: image, DiskFormat: "qcow2"}))
	if data := j.Control.Image(image); len(data) == 0 || bytes.Contains(data, secret[:64]) {
		j.Error("an encrypted volume was uploaded readable")
	}
}

func (j *judge) thick() {
	if !j.Thick {
		j.Skip("the backend has thin volumes only")
	}
	ref := j.create(&hostapi.VolumeCreate{Thick: true})
	one := text("one", mib)
	j.with(ref, nil, func(d Device) { j.holds(d, gib/2, make([]byte, mib)); j.write(d, gib/2, one) })
	s := j.snapshot(ref)
	j.ok(j.Host.ExtendVolume(j.ctx, ref, 2))
	j.with(ref, nil, func(d Device) { j.holds(d, gib/2, one); j.write(d, 2*gib-mib, one) })
	j.ok(j.Host.DeleteVolumeSnapshot(j.ctx, s))
	j.with(ref, nil, func(d Device) { j.holds(d, gib/2, one); j.holds(d, 2*gib-mib, one) })
}

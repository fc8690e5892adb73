package backendtest

import (
	"github.com/google/uuid"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

func (j *judge) empty() {
	ref := j.create(&hostapi.VolumeCreate{SizeGiB: 2})
	secret := text("secret", mib)
	j.with(ref, nil, func(d Device) {
		if size, err := d.Size(); err != nil || size != 2*gib {
			j.Errorf("size %d, %v", size, err)
		}
		zeros := make([]byte, mib)
		for _, at := range []int64{0, gib, 2*gib - mib} {
			j.holds(d, at, zeros)
			j.write(d, at, secret)
			j.holds(d, at, secret)
		}
	})
	j.with(ref, nil, func(d Device) { j.holds(d, gib, secret) })
	// The room of a deleted volume shows nothing of it.
	j.delete(ref)
	for range 2 {
		again := j.create(&hostapi.VolumeCreate{SizeGiB: 2})
		j.with(again, nil, func(d Device) { j.holds(d, gib, make([]byte, mib)) })
	}
	ref = j.create(&hostapi.VolumeCreate{VolumeRef: ref})
	j.with(ref, nil, func(d Device) { j.holds(d, 0, make([]byte, mib)) })
	_, err := j.Host.CreateVolume(j.ctx, &hostapi.VolumeCreate{VolumeRef: j.ref()})
	j.is(err, errs.Invalid)
	backends, err := j.Host.VolumeBackends(j.ctx)
	if err != nil || len(backends) == 0 || backends[0].TotalGiB == 0 || backends[0].Fault != "" {
		j.Errorf("backends %+v, %v", backends, err)
	}
}

func (j *judge) image() {
	data := text("image", 3*mib)
	image := j.Control.AddImage(uuid.NewString(), data)
	first, second := j.create(&hostapi.VolumeCreate{Image: image}), j.create(&hostapi.VolumeCreate{Image: image})
	j.with(first, nil, func(d Device) {
		j.holds(d, 0, data)
		j.holds(d, 3*mib, make([]byte, mib))
		j.write(d, mib, text("other", mib))
	})
	j.delete(first)
	j.with(second, nil, func(d Device) { j.holds(d, 0, data) })
}

func (j *judge) snapshots() {
	ref := j.create(&hostapi.VolumeCreate{})
	one, two, three := text("one", mib), text("two", mib), text("three", mib)
	j.with(ref, nil, func(d Device) { j.write(d, 0, one); j.write(d, 8*mib, one) })
	first := j.snapshot(ref)
	j.with(ref, nil, func(d Device) { j.write(d, 0, two) })
	second := j.snapshot(ref)
	j.with(ref, nil, func(d Device) { j.write(d, 0, three) })
	j.is(j.Host.DeleteVolume(j.ctx, ref), errs.Conflict)

	shows := func(s hostapi.VolumeSnapshotRef, want []byte) {
		j.Helper()
		from := j.create(&hostapi.VolumeCreate{Snapshot: &s})
		j.with(from, nil, func(d Device) { j.holds(d, 0, want); j.holds(d, 8*mib, one) })
		j.delete(from)
	}
	shows(first, one)
	shows(second, two)
	j.is(j.Host.RevertVolume(j.ctx, first), errs.Conflict)
	j.twice(func() error { return j.Host.RevertVolume(j.ctx, second) })
	j.with(ref, nil, func(d Device) {
		j.holds(d, 0, two)
		j.is(j.Host.RevertVolume(j.ctx, second), errs.Conflict)
		j.write(d, 0, three)
	})
	j.twice(func() error { return j.Host.DeleteVolumeSnapshot(j.ctx, first) })
	shows(second, two)
	j.with(ref, nil, func(d Device) { j.holds(d, 0, three); j.holds(d, 8*mib, one) })
	j.twice(func() error { return j.Host.DeleteVolumeSnapshot(j.ctx, second) })
	j.with(ref, nil, func(d Device) { j.holds(d, 0, three); j.holds(d, 8*mib, one) })
	j.delete(ref)
}

func (j *judge) clones() {
	ref := j.create(&hostapi.VolumeCreate{})
	one, two := text("one", mib), text("two", mib)
	j.with(ref, nil, func(d Device) { j.write(d, gib/2, one) })
	s := j.snapshot(ref)
	fromSnapshot := j.create(&hostapi.VolumeCreate{SizeGiB: 2, Snapshot: &s})
	clone := j.create(&hostapi.VolumeCreate{SizeGiB: 2, Volume: &ref})
	j.with(ref, nil, func(d Device) { j.write(d, gib/2, two) })
	// A clone outlives what it was made of.
	j.twice(func() error { return j.Host.DeleteVolumeSnapshot(j.ctx, s) })
	j.delete(ref)
	for _, c := range []hostapi.VolumeRef{fromSnapshot, clone} {
		j.with(c, nil, func(d Device) {
			j.holds(d, gib/2, one)
			j.holds(d, gib, make([]byte, mib))
			j.write(d, gib/2, two)
			j.write(d, 2*gib-mib, two)
		})
	}
	j.delete(fromSnapshot)
	j.with(clone, nil, func(d Device) { j.holds(d, gib/2, two) })
	_, err := j.Host.CreateVolume(j.ctx, &hostapi.VolumeCreate{VolumeRef: j.ref(), SizeGiB: 1, Volume: &clone})
	j.is(err, errs.Invalid)
}

func (j *judge) extend() {
	ref := j.create(&hostapi.VolumeCreate{})
	one := text("one", mib)
	j.with(ref, nil, func(d Device) { j.write(d, gib-mib, one) })
	s := j.snapshot(ref)
	j.twice(func() error { return j.Host.ExtendVolume(j.ctx, ref, 2) })
	client := uuid.NewString()
	d, conn := j.export(&hostapi.VolumeExport{VolumeRef: ref, Client: client})
	j.holds(d, gib-mib, one)
	j.holds(d, gib, make([]byte, mib))
	j.write(d, 2*gib-mib, one)
	j.twice(func() error { return j.Host.ExtendVolume(j.ctx, ref, 3) })
	again, err := j.Open(conn) // a client finds the new size when it connects again
	j.ok(err)
	defer func() { j.ok(again.Close()) }()
	if size, err := again.Size(); err != nil || size != 3*gib {
		j.Errorf("size %d, %v", size, err)
	}
	j.holds(again, 2*gib-mib, one)
	j.write(again, 3*gib-mib, one)
	from := j.create(&hostapi.VolumeCreate{Snapshot: &s})
	j.with(from, nil, func(d Device) { j.holds(d, gib-mib, one) })
}

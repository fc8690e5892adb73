package backendtest

import (
	"bytes"
	"slices"

	"github.com/google/uuid"

	"kumoi/internal/hostapi"
)

func (j *judge) upload() {
	ref := j.create(&hostapi.VolumeCreate{})
	one := text("one", mib)
	d, _ := j.export(&hostapi.VolumeExport{VolumeRef: ref})
	j.write(d, mib, one)
	for range 2 { // as long as there is an image to fill
		image := uuid.NewString()
		j.ok(j.Host.UploadVolume(j.ctx, &hostapi.VolumeUpload{VolumeRef: ref, ImageID: image, DiskFormat: "qcow2"}))
		if data := j.Control.Image(image); !bytes.Contains(data, one) {
			j.Errorf("an image of %d bytes, without what was written", len(data))
		}
	}
}

// backup makes a backup and tells what was sent.
func (j *judge) backup(b hostapi.VolumeBackup) (id string, made *hostapi.VolumeBackupMade) {
	j.Helper()
	b.BackupID = uuid.NewString()
	var err error
	made, err = j.Host.BackupVolume(j.ctx, &b)
	j.ok(err)
	if b.Since == "" && !made.Full {
		j.Error("a full backup is not full")
	}
	sent := int64(0)
	for _, part := range j.Control.Backup(b.BackupID) {
		sent += int64(len(part.Data))
	}
	if sent != made.Bytes {
		j.Errorf("%d bytes were sent, it says %d", sent, made.Bytes)
	}
	return b.BackupID, made
}

// restored fails the test unless the backups give the data back.
func (j *judge) restored(backups []string, at int64, data []byte) {
	j.Helper()
	to := j.create(&hostapi.VolumeCreate{})
	j.with(to, nil, func(d Device) { j.write(d, at, text("old", len(data))); j.write(d, 700*mib, text("old", mib)) })
	j.twice(func() error {
		return j.Host.RestoreVolume(j.ctx, &hostapi.VolumeRestore{VolumeRef: to, Backups: backups})
	})
	j.with(to, nil, func(d Device) { j.holds(d, at, data); j.holds(d, 700*mib, make([]byte, mib)) })
	j.delete(to)
}

func (j *judge) backups() {
	ref := j.create(&hostapi.VolumeCreate{})
	one, two, three := text("one", mib), text("two", mib), text("three", mib)
	d, _ := j.export(&hostapi.VolumeExport{VolumeRef: ref})
	j.write(d, 0, one)
	j.write(d, 512*mib, one)
	full, made := j.backup(hostapi.VolumeBackup{VolumeRef: ref})
	if made.Bytes > 8*mib {
		j.Errorf("%d bytes for two MiB", made.Bytes)
	}
	j.write(d, 512*mib, two)
	j.write(d, 0, make([]byte, mib))
	second, made := j.backup(hostapi.VolumeBackup{VolumeRef: ref, Since: full})
	toSecond := []string{full, second}
	switch {
	case made.Full:
		toSecond = []string{second}
		if j.Bitmaps {
			j.Error("all was sent again")
		}
	case made.Bytes > 4*mib:
		j.Errorf("%d bytes for one MiB that has changed", made.Bytes)
	}
	s := j.snapshot(ref)
	j.write(d, 512*mib, three)
	third, made := j.backup(hostapi.VolumeBackup{VolumeRef: ref, Since: second})
	toThird := append(slices.Clone(toSecond), third)
	if made.Full {
		toThird = []string{third}
	}
	j.restored([]string{full}, 0, one)
	j.restored(toSecond, 512*mib, two)
	j.restored(toSecond, 0, make([]byte, mib))
	j.restored(toThird, 512*mib, three)
	ofSnapshot, _ := j.backup(hostapi.VolumeBackup{VolumeRef: ref, SnapshotID: s.SnapshotID})
	j.restored([]string{ofSnapshot}, 512*mib, two)
	unknown, made := j.backup(hostapi.VolumeBackup{VolumeRef: ref, Since: uuid.NewString()})
	if !made.Full {
		j.Error("the host knows what has changed since a backup that there is not")
	}
	j.restored([]string{unknown}, 512*mib, three)
}

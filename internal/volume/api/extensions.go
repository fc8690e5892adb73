package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

// extensions are the parts of the API that Cinder once delivered apart: name,
// alias, when it last changed, and what it is about.
var extensions = [][4]string{
	{"AdminActions", "os-admin-actions", "2012-08-25T00:00:00+00:00", "Actions of administrators on volumes, snapshots and backups."},
	{"AvailabilityZones", "os-availability-zone", "2013-06-27T00:00:00+00:00", "Availability zones."},
	{"Backups", "backups", "2012-12-12T00:00:00+00:00", "Backups of volumes."},
	{"Capabilities", "capabilities", "2015-08-31T00:00:00+00:00", "What back ends can do."},
	{"ExtendedServices", "os-extended-services", "2014-01-10T00:00:00-00:00", "Why services are disabled."},
	{"ExtendedSnapshotAttributes", "os-extended-snapshot-attributes", "2012-06-19T00:00:00+00:00", "Project and progress of snapshots."},
	{"Hosts", "os-hosts", "2011-06-29T00:00:00+00:00", "Hosts and what is on them."},
	{"Qos_specs_manage", "qos-specs", "2013-08-02T00:00:00+00:00", "QoS specs."},
	{"QuotaClasses", "os-quota-class-sets", "2012-03-12T00:00:00+00:00", "Default quotas."},
	{"Quotas", "os-quota-sets", "2011-08-08T00:00:00+00:00", "Quotas of projects."},
	{"SchedulerHints", "OS-SCH-HNT", "2013-04-18T00:00:00+00:00", "Hints for the choice of a back end."},
	{"Scheduler_stats", "scheduler-stats", "2014-09-07T00:00:00+00:00", "Back ends as the scheduler sees them."},
	{"Services", "os-services", "2012-10-28T00:00:00-00:00", "Services of block storage."},
	{"SnapshotActions", "os-snapshot-actions", "2013-07-16T00:00:00+00:00", "Progress of snapshots."},
	{"SnapshotManage", "os-snapshot-manage", "2014-12-31T00:00:00+00:00", "Taking over snapshots."},
	{"SnapshotUnmanage", "os-snapshot-unmanage", "2014-12-31T00:00:00+00:00", "Letting go of snapshots."},
	{"TypesExtraSpecs", "os-types-extra-specs", "2011-08-24T00:00:00+00:00", "Extra specs of volume types."},
	{"TypesManage", "os-types-manage", "2011-08-24T00:00:00+00:00", "Making volume types."},
	{"UsedLimits", "os-used-limits", "2013-10-03T00:00:00+00:00", "What is used of limits."},
	{"VolumeActions", "os-volume-actions", "2012-05-31T00:00:00+00:00", "Actions on volumes."},
	{"VolumeEncryptionMetadata", "os-volume-encryption-metadata", "2013-07-10T00:00:00+00:00", "How volumes are encrypted."},
	{"VolumeHostAttribute", "os-vol-host-attr", "2011-11-03T00:00:00+00:00", "Back ends of volumes."},
	{"VolumeImageMetadata", "os-vol-image-meta", "2012-12-07T00:00:00+00:00", "Image metadata of volumes."},
	{"VolumeManage", "os-volume-manage", "2014-02-10T00:00:00+00:00", "Taking over volumes."},
	{"VolumeMigStatusAttribute", "os-vol-mig-status-attr", "2013-08-08T00:00:00+00:00", "Migration of volumes."},
	{"VolumeTenantAttribute", "os-vol-tenant-attr", "2011-11-03T00:00:00+00:00", "Projects of volumes."},
	{"VolumeTransfer", "os-volume-transfer", "2013-05-29T00:00:00+00:00", "Transfers of volumes between projects."},
	{"VolumeTypeAccess", "os-volume-type-access", "2014-06-26T00:00:00Z", "Who may use private volume types."},
	{"VolumeTypeEncryption", "encryption", "2013-07-01T00:00:00+00:00", "Encryption of volume types."},
	{"VolumeUnmanage", "os-volume-unmanage", "2012-05-31T00:00:00+00:00", "Letting go of volumes."},
}

func listExtensions(context.Context, *httpx.Request) (*httpx.Response, error) {
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.List("extensions", func() {
				for _, e := range extensions {
					w.Object("", func() {
						w.Text("name", e[0])
						w.Text("alias", e[1])
						w.Text("updated", e[2])
						w.Text("description", e[3])
						w.List("links", func() {})
					})
				}
			})
		})
	}), nil
}

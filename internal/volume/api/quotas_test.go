package api_test

import (
	"fmt"
	"testing"

	"kumoi/internal/volume/volumetest"
)

func TestQuotas(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, bob, admin := c.As("alice"), c.As("bob"), c.As("admin")
		const path = "/os-quota-sets/p-alice"
		set := alice.Want(200, "GET", path, nil)
		for k, want := range map[string]string{
			"id": `"p-alice"`, "volumes": "10", "snapshots": "10", "gigabytes": "1000", "backups": "10", "backup_gigabytes": "1000",
			"per_volume_gigabytes": "-1", "groups": "10", "volumes___DEFAULT__": "-1", "gigabytes___DEFAULT__": "-1", "snapshots___DEFAULT__": "-1",
		} {
			set.Same("quota_set."+k, want)
		}
		bob.Want(403, "GET", path, nil)
		alice.Want(403, "PUT", path, object{"quota_set": object{"volumes": 20}})
		c.Volume("alice")
		usage := alice.Want(200, "GET", path+"?usage=True", nil)
		usage.Same("quota_set.volumes", `{"limit":10,"in_use":1,"reserved":0,"allocated":0}`)
		usage.Same("quota_set.gigabytes___DEFAULT__", `{"limit":-1,"in_use":1,"reserved":0,"allocated":0}`)
		for _, body := range []object{{}, {"nothing": 1}, {"volumes": "x"}, {"volumes": -2}, {"volumes": 0}, {"volumes": nil}, {"volumes": 99999999999}, {"volumes_none": 1}} {
			admin.Want(400, "PUT", path, object{"quota_set": body})
		}
		admin.Want(200, "PUT", path, object{"quota_set": object{"volumes": "2", "gigabytes": 3, "tenant_id": "x", "per_volume_gigabytes": 2, "volumes___DEFAULT__": 1}}).Same("quota_set.volumes", "2")
		for size, words := range map[int]string{
			1: "Maximum number of volumes allowed (1) exceeded for quota 'volumes___DEFAULT__'.",
			3: "Requested volume size 3G is larger than maximum allowed limit 2G.",
		} {
			alice.Want(413, "POST", "/volumes", object{"volume": object{"size": size}}).Same("overLimit.message", fmt.Sprintf("%q", words))
		}
		newType(c, object{"name": "gold"})
		admin.Want(200, "PUT", path, object{"quota_set": object{"gigabytes_gold": 5, "volumes": 1}})
		alice.Want(413, "POST", "/volumes", object{"volume": object{"size": 1, "volume_type": "gold"}}).Same("overLimit.message",
			`"Maximum number of volumes allowed (1) exceeded for quota 'volumes'."`)
		admin.Want(200, "PUT", path, object{"quota_set": object{"volumes": 9, "per_volume_gigabytes": -1}})
		alice.Want(413, "POST", "/volumes", object{"volume": object{"size": 3, "volume_type": "gold"}}).Same("overLimit.message",
			`"Requested volume or snapshot exceeds allowed gigabytes quota. Requested 3G, quota is 3G and 1G has been consumed."`)
		alice.Want(403, "DELETE", path, nil)
		admin.Want(200, "DELETE", path, nil)
		alice.Want(200, "GET", path, nil).Same("quota_set.volumes", "10")
		alice.Want(200, "GET", path, nil).Same("quota_set.gigabytes_gold", "-1")
	})
}

// A type's quotas go with it under its new name.
func TestQuotaOfRenamedType(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		admin := c.As("admin")
		id := newType(c, object{"name": "old"})
		admin.Want(200, "PUT", "/os-quota-sets/p-alice", object{"quota_set": object{"volumes_old": 3}})
		admin.Want(200, "PUT", "/types/"+id, object{"volume_type": object{"name": "new"}})
		set := admin.Want(200, "GET", "/os-quota-sets/p-alice", nil)
		set.Same("quota_set.volumes_new", "3")
		set.Same("quota_set.volumes_old", "null")
		admin.Want(202, "DELETE", "/types/"+id, nil)
		newType(c, object{"name": "new"})
		admin.Want(200, "GET", "/os-quota-sets/p-alice", nil).Same("quota_set.volumes_new", "-1")
	})
}

func TestQuotaClassesAndLimits(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, admin := c.As("alice"), c.As("admin")
		admin.Want(200, "GET", "/os-quota-class-sets/default", nil).Same("quota_class_set.id", `"default"`)
		alice.Want(403, "GET", "/os-quota-class-sets/default", nil)
		alice.Want(403, "PUT", "/os-quota-class-sets/default", object{"quota_class_set": object{"volumes": 5}})
		admin.Want(400, "PUT", "/os-quota-class-sets/default", object{"quota_class_set": object{"nothing": 5}})
		admin.Want(200, "PUT", "/os-quota-class-sets/default", object{"quota_class_set": object{"volumes": 5}}).Same("quota_class_set.volumes", "5")
		alice.Want(200, "GET", "/os-quota-sets/p-alice/defaults", nil).Same("quota_set.volumes", "5")
		alice.Want(200, "GET", "/os-quota-sets/p-alice", nil).Same("quota_set.volumes", "5")
		admin.Want(200, "GET", "/os-quota-class-sets/other", nil).Same("quota_class_set.volumes", "5")
		c.Volume("alice")
		alice.Want(200, "GET", "/limits", nil).Same("limits", `{"rate":[],"absolute":{
			"maxTotalVolumes":5,"totalVolumesUsed":1,"maxTotalVolumeGigabytes":1000,"totalGigabytesUsed":1,"maxTotalSnapshots":10,"totalSnapshotsUsed":0,
			"maxTotalBackups":10,"totalBackupsUsed":0,"maxTotalBackupGigabytes":1000,"totalBackupGigabytesUsed":0}}`)
		admin.Want(200, "GET", "/limits", nil).Same("limits.absolute.totalVolumesUsed", "0")
		admin.Want(200, "GET", "/limits?project_id=p-alice", nil).Same("limits.absolute.totalVolumesUsed", "1")
		admin.Want(200, "GET", "/limits?project_id=p-alice", nil, "OpenStack-API-Version", "volume 3.38").Same("limits.absolute.totalVolumesUsed", "0")
		c.As("bob").Want(200, "GET", "/limits?project_id=p-alice", nil).Same("limits.absolute.totalVolumesUsed", "0")
	})
}

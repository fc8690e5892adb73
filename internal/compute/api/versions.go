package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

func (a *api) versionRoutes() []httpx.Route {
	return []httpx.Route{
		{Method: "GET", Path: "/", Public: true, Handler: listVersions},
		{Method: "GET", Path: "/v2.1", Public: true, Handler: showVersion("v2.1")},
		{Method: "GET", Path: "/v2", Public: true, Handler: showVersion("v2.0")},
		{Method: "GET", Path: "/v2.1/versions/{version_id}", Handler: showVersionByID},
		{Method: "GET", Path: "/v2.1/extensions", Policy: "os_compute_api:extensions", Handler: a.oldExtensions.list},
		{Method: "GET", Path: "/v2.1/extensions/{alias}", Policy: "os_compute_api:extensions", Handler: a.oldExtensions.show},
	}
}

// versionDoc describes one of the two versions; the older one is there for
// clients that look for it, and has no microversions.
func versionDoc(r *httpx.Request, id string, links []object) object {
	doc := object{"id": id, "status": "CURRENT", "version": MaxVersion.String(), "min_version": minVersion.String(), "updated": "2013-07-23T11:33:21Z"}
	path := "/v2.1/"
	if id == "v2.0" {
		path = "/v2/"
		doc["status"], doc["version"], doc["min_version"], doc["updated"] = "SUPPORTED", "", "", "2011-01-21T11:33:21Z"
	}
	doc["links"] = append([]object{{"rel": "self", "href": r.Link("%s", path)}}, links...)
	return doc
}

func listVersions(_ context.Context, r *httpx.Request) (*httpx.Response, error) {
	return httpx.JSON(http.StatusOK, object{"versions": []object{versionDoc(r, "v2.0", nil), versionDoc(r, "v2.1", nil)}}), nil
}

func showVersion(id string) httpx.Handler {
	return func(_ context.Context, r *httpx.Request) (*httpx.Response, error) {
		doc := versionDoc(r, id, []object{{
			"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/api-ref/compute/",
		}})
		doc["media-types"] = []object{{
			"base": "application/json", "type": "application/vnd.openstack.compute+json;version=" + map[string]string{"v2.1": "2.1", "v2.0": "2"}[id],
		}}
		return httpx.JSON(http.StatusOK, object{"version": doc}), nil
	}
}

func showVersionByID(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	id := r.Var("version_id")
	if id != "v2.1" && id != "v2.0" {
		return nil, errs.New(errs.NotFound, "The resource could not be found.")
	}
	return showVersion(id)(ctx, r)
}

// extensions are what was once optional; all of it is always there.
var extensions = []struct{ alias, name string }{
	{"NMN", "Multinic"},
	{"OS-DCF", "DiskConfig"},
	{"OS-EXT-AZ", "ExtendedAvailabilityZone"},
	{"OS-EXT-IPS", "ExtendedIps"},
	{"OS-EXT-IPS-MAC", "ExtendedIpsMac"},
	{"OS-EXT-SRV-ATTR", "ExtendedServerAttributes"},
	{"OS-EXT-STS", "ExtendedStatus"},
	{"OS-FLV-DISABLED", "FlavorDisabled"},
	{"OS-FLV-EXT-DATA", "FlavorExtraData"},
	{"OS-SCH-HNT", "SchedulerHints"},
	{"OS-SRV-USG", "ServerUsage"},
	{"os-admin-actions", "AdminActions"},
	{"os-aggregates", "Aggregates"},
	{"os-attach-interfaces", "AttachInterfaces"},
	{"os-availability-zone", "AvailabilityZone"},
	{"os-block-device-mapping-v2-boot", "BlockDeviceMappingV2Boot"},
	{"os-config-drive", "ConfigDrive"},
	{"os-console-auth-tokens", "ConsoleAuthTokens"},
	{"os-console-output", "ConsoleOutput"},
	{"os-consoles", "Consoles"},
	{"os-create-backup", "CreateBackup"},
	{"os-deferred-delete", "DeferredDelete"},
	{"os-evacuate", "Evacuate"},
	{"os-extended-volumes", "ExtendedVolumes"},
	{"os-flavor-access", "FlavorAccess"},
	{"os-flavor-extra-specs", "FlavorExtraSpecs"},
	{"os-flavor-manage", "FlavorManage"},
	{"os-flavor-rxtx", "FlavorRxtx"},
	{"os-flavor-swap", "FlavorSwap"},
	{"os-hide-server-addresses", "HideServerAddresses"},
	{"os-hosts", "Hosts"},
	{"os-hypervisors", "Hypervisors"},
	{"os-networks", "Networks"},
	{"os-tenant-networks", "TenantNetworks"},
	{"os-floating-ips", "FloatingIps"},
	{"os-floating-ip-pools", "FloatingIpPools"},
	{"os-security-group-rules", "SecurityGroupRules"},
	{"image-size", "ImageSize"},
	{"os-assisted-volume-snapshots", "AssistedVolumeSnapshots"},
	{"os-baremetal-nodes", "BareMetalNodes"},
	{"os-volume-attachments", "VolumeAttachments"},
	{"os-server-tags", "ServerTags"},
	{"os-instance-actions", "InstanceActions"},
	{"os-instance_usage_audit_log", "OSInstanceUsageAuditLog"},
	{"os-keypairs", "Keypairs"},
	{"os-lock-server", "LockServer"},
	{"os-migrate-server", "MigrateServer"},
	{"os-migrations", "Migrations"},
	{"os-multiple-create", "MultipleCreate"},
	{"os-pause-server", "PauseServer"},
	{"os-quota-class-sets", "QuotaClasses"},
	{"os-quota-sets", "Quotas"},
	{"os-rescue", "Rescue"},
	{"os-security-groups", "SecurityGroups"},
	{"os-server-diagnostics", "ServerDiagnostics"},
	{"os-server-external-events", "ServerExternalEvents"},
	{"os-server-groups", "ServerGroups"},
	{"os-server-password", "ServerPassword"},
	{"os-services", "Services"},
	{"os-shelve", "Shelve"},
	{"os-simple-tenant-usage", "SimpleTenantUsage"},
	{"os-suspend-server", "SuspendServer"},
	{"os-used-limits", "UsedLimits"},
	{"os-user-data", "UserData"},
	{"os-volumes", "Volumes"},
}

func extensionDoc(alias, name string) object {
	return object{
		"alias": alias, "name": name, "description": name + ".", "links": []object{}, "updated": "2014-12-03T00:00:00Z",
		"namespace": "http://docs.openstack.org/compute/ext/fake_xml",
	}
}

func (a *oldExtensions) list(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Proxies.Extensions(ctx); err != nil {
		return nil, err
	}
	docs := make([]object, len(extensions))
	for i, e := range extensions {
		docs[i] = extensionDoc(e.alias, e.name)
	}
	return httpx.JSON(http.StatusOK, object{"extensions": docs}), nil
}

func (a *oldExtensions) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Proxies.Extensions(ctx); err != nil {
		return nil, err
	}
	for _, e := range extensions {
		if e.alias == r.Var("alias") {
			return httpx.JSON(http.StatusOK, object{"extension": extensionDoc(e.alias, e.name)}), nil
		}
	}
	return nil, errs.New(errs.NotFound, "The resource could not be found.")
}

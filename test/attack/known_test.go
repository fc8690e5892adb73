package attack

// asOpenStack are answers that look like faults and are OpenStack's own rules.
// Whoever changes one breaks clients; whoever adds one says where OpenStack says so.
var asOpenStack = map[[2]string]string{
	{"GET compute /v2.1/os-quota-sets/{project_id}/defaults", "*"}:                           "the defaults are the cloud's, not the project's, and nova's rule is open to all",
	{"DELETE compute /v2.1/os-baremetal-nodes/{node_id}", "*"}:                               "there are none; nova says so with 400",
	{"PATCH credential project_id", "assign"}:                                                "a credential may name any project; what it opens is decided when it is used, by its user's roles there",
	{"POST compute /v2.1/os-baremetal-nodes/{node_id}/action#add_interface", "*"}:            "there are none; nova says so with 400",
	{"POST compute /v2.1/os-baremetal-nodes/{node_id}/action#remove_interface", "*"}:         "there are none; nova says so with 400",
	{"DELETE compute /v2.1/os-keypairs/{keypair_name}", "a reader's application credential"}: "a key pair is its user's, whatever role his token has: nova's os-keypairs:delete",
	{"DELETE compute /v2.1/os-keypairs/{keypair_name}", "a reader's trust"}:                  "a key pair is its user's, whatever role his token has: nova's os-keypairs:delete",
	{"DELETE compute /v2.1/os-keypairs/{keypair_name}", "a reader's OAuth1 token"}:           "a key pair is its user's, whatever role his token has: nova's os-keypairs:delete",
}

// open are faults that are known and not mended yet. A row goes when its fault
// does: a request, and the persona or the test that sees it.
var open = map[[2]string]string{
	{"POST port device_owner", "assign"}: "tenants write network:* owners",
	{`POST network /v2.0/ports {"port":{"network_id":"$own.network","device_owner":"compute:nova","device_id":"$that.server"}}`, "plant"}: "a port is a server's because its own side says so",
	{`PUT network /v2.0/ports/$own.spare_port {"port":{"device_owner":"compute:nova","device_id":"$that.server"}}`, "plant"}:              "a port is a server's because its own side says so",
}

// known tells whether a finding is in one of the tables. Whom a rule does not
// tell apart is "*".
func (w *world) known(request, who string) bool {
	for _, table := range []map[[2]string]string{asOpenStack, open} {
		for _, v := range []string{who, "*"} {
			if _, ok := table[[2]string{request, v}]; ok {
				if reason := open[[2]string{request, v}]; reason != "" {
					w.t.Logf("open: %s as %s: %s", request, who, reason)
				}
				return true
			}
		}
	}
	return false
}

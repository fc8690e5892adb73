package attack

import "strings"

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
	{"POST volume /v3/volume-transfers/{transfer_id}/accept", "*"}:                           "who has the key may accept, whoever he is; without it cinder says so with 400",
	{"POST volume /v3/os-volume-transfer/{transfer_id}/accept", "*"}:                         "who has the key may accept, whoever he is; without it cinder says so with 400",
}

// open are faults that are known and not mended yet. A row goes when its fault
// does: a request, and the persona or the test that sees it.
var open = map[[2]string]string{}

// known tells whether a finding is in one of the tables. Whom a rule does not
// tell apart is "*".
func (w *world) known(request, who string) bool {
	for _, table := range []map[[2]string]string{asOpenStack, open} {
		for _, v := range []string{who, "*"} {
			row := [2]string{request, v}
			if _, ok := table[row]; ok {
				if reason := open[row]; reason != "" {
					w.t.Logf("open: %s as %s: %s", request, who, reason)
				}
				w.seen[row] = true
				return true
			}
		}
	}
	return false
}

// stale fails for the rows that a test, which has seen all it can, was the one
// to see and has not: of is what stands for the test in them.
func (w *world) stale(of func(request, who string) bool) {
	w.t.Helper()
	for _, table := range []map[[2]string]string{asOpenStack, open} {
		for row := range table {
			if of(row[0], row[1]) && !w.seen[row] {
				w.t.Errorf("%s as %s is no finding any more: take its row out of known_test.go", row[0], row[1])
			}
		}
	}
}

// byPersona are the rows of findings about who asks: of routes that name
// something, or of lists, which do not.
func byPersona(names bool) func(request, who string) bool {
	return func(request, who string) bool {
		return who != "assign" && who != "use" && who != "plant" && strings.Contains(request, "{") == names
	}
}

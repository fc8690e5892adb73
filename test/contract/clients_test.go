package contract

import (
	"os/exec"
	"strings"
	"testing"

	"kumoi/test/stockclient"
)

// commands lists what a version of a service has in the stock client, such as
// openstack.image.v2.
func commands(t *testing.T, group string) []string {
	t.Helper()
	out, err := exec.Command(stockclient.Python, "-c", `import sys
from importlib.metadata import entry_points
for e in entry_points(group=sys.argv[1]):
    print("openstack", e.name.replace("_", " "))`, group).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

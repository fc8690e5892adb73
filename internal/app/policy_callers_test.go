package app

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// uncalled are OpenStack's rules that nothing asks here; they are known so that an
// operator's policy file may name them. The list only gets shorter.
var uncalled = []string{
	"create_port:mac_learning_enabled", "create_router:distributed", "create_router:ha", "create_subnet:segment_id",
	"get_router:distributed", "get_router:ha", "get_subnet:segment_id",
	"identity/admin_or_token_subject", "identity/service_admin_or_token_subject", "identity:list_domains_for_user", "identity:list_projects_for_user",
	"metadef_default",
	"network/activate", "network/add_external_gateways", "network/get_dhcp-agents", "network/get_dhcp-networks",
	"network/get_l3-agents", "network/get_l3-routers", "network/get_service_profile", "network/onboard_network_subnets",
	"network/regular_user", "network/remove_external_gateways", "network/restrict_wildcard", "network/update_external_gateways",
	"os_compute_api:compute:servers:resize:cross_cell", "os_compute_api:os-multinic:show", "os_compute_api:servers:create:trusted_certs",
	"os_compute_api:servers:rebuild:trusted_certs", "os_compute_api:servers:show:host_status:unknown-only",
	"update_port:data_plane_status", "update_port:mac_learning_enabled", "update_router:distributed", "update_router:ha",
	"update_subnet:segment_id",
}

var referred = regexp.MustCompile(`rule:([\w:./-]+)`)

// A rule that nothing asks promises operators something that does not hold.
func TestEveryPolicyRuleIsAsked(t *testing.T) {
	t.Parallel()
	s, err := blueprint()
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	for _, api := range s.apis() {
		for _, r := range api.Routes {
			asked[r.Policy] = true
		}
	}
	rules := s.policy.Rules()
	if len(rules) < 500 {
		t.Fatalf("there are %d rules only", len(rules))
	}
	for _, r := range rules {
		for _, m := range referred.FindAllStringSubmatch(r.Check, -1) {
			asked[m[1]] = true
		}
	}
	words := words(t)
	var odd []string
	for _, r := range rules {
		_, plain, kept := strings.Cut(r.Name, "/") // helpers are kept under their service's name
		if !kept {
			plain = r.Name
		}
		if !asked[r.Name] && !asked[plain] && !composed(plain, words) {
			odd = append(odd, r.Name)
		}
	}
	for _, name := range odd {
		if !slices.Contains(uncalled, name) {
			t.Errorf("nothing asks the rule %s", name)
		}
	}
	for _, name := range uncalled { // by its very name: parts of names meet by chance
		_, plain, kept := strings.Cut(name, "/")
		if asked[name] || words[name] || kept && (asked[plain] || words[plain]) {
			t.Errorf("the rule %s is asked now; take it off the list", name)
		}
	}
}

// words are the texts in the services' code, except where the rules are declared.
func words(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "/policy.go") || strings.Contains(d.Name(), "policies") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if text, err := strconv.Unquote(l.Value); err == nil && len(text) < 80 {
					out[text] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// composed tells whether a rule's name is one of the words, or is put together
// from some: "create_" and "port" and ":fixed_ips". Separators may be apart.
func composed(name string, words map[string]bool) bool {
	ends := make([]bool, len(name)+1)
	ends[0] = true
	for i := range name {
		if !ends[i] {
			continue
		}
		for j := i + 1; j <= len(name); j++ {
			part := name[i:j]
			ends[j] = ends[j] || part == ":" || part == "_" || len(part) > 3 && words[part]
		}
	}
	return ends[len(name)]
}

// Command coverage compares what kumoi serves with the inventory of
// OpenStack's REST operations, per service and tier.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

type operation struct{ service, method, path, title, tier string }

var placeholder = regexp.MustCompile(`\{[^}]*\}`)

// key makes operations comparable: names of placeholders carry no meaning.
func key(service, method, path string) string {
	return service + " " + method + " " + strings.TrimSuffix(placeholder.ReplaceAllString(path, "{}"), "/")
}

func main() {
	file := flag.String("operations", "docs/api/operations.tsv", "the inventory")
	kumoi := flag.String("kumoi", "bin/kumoi", "the binary")
	missing := flag.String("missing", "", "list what is missing of this service")
	tiers := flag.String("tiers", "123", "list only what is missing of these tiers")
	flag.Parse()
	if err := run(*file, *kumoi, *missing, *tiers); err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(1)
	}
}

func run(file, kumoi, missing, tiers string) error {
	served, services, err := servedBy(kumoi)
	if err != nil {
		return err
	}
	all, err := inventory(file)
	if err != nil {
		return err
	}
	type count struct{ served, missing int }
	counts := map[string]map[string]*count{}
	for _, op := range all {
		if !services[op.service] {
			continue
		}
		if counts[op.service] == nil {
			counts[op.service] = map[string]*count{"1": {}, "2": {}, "3": {}}
		}
		// One row stands for the tags of every kind of resource.
		if op.service == "neutron" {
			op.path = strings.Replace(op.path, "{resource_type}", "networks", 1)
		}
		// Cinder's paths stand in the table without the project that may follow the version.
		if op.service == "cinder" {
			op.path = strings.Replace(op.path, "/v3/{project_id}/", "/v3/", 1)
		}
		// An identity answers HEAD wherever it answers GET, as the gateway does.
		ok := served[key(op.service, op.method, op.path)] || op.method == "HEAD" && served[key(op.service, "GET", op.path)]
		if ok {
			counts[op.service][op.tier].served++
			continue
		}
		counts[op.service][op.tier].missing++
		if missing == op.service && strings.Contains(tiers, op.tier) {
			fmt.Printf("  %s  %-6s %s  (%s)\n", op.tier, op.method, op.path, op.title)
		}
	}
	names := make([]string, 0, len(counts))
	for n := range counts {
		names = append(names, n)
	}
	slices.Sort(names)
	fmt.Printf("%-14s %18s %18s %18s\n", "service", "tier 1", "tier 2", "tier 3")
	for _, n := range names {
		fmt.Printf("%-14s", n)
		for _, t := range []string{"1", "2", "3"} {
			c := counts[n][t]
			fmt.Printf(" %8s, %3d miss", fmt.Sprintf("%d/%d", c.served, c.served+c.missing), c.missing)
		}
		fmt.Println()
	}
	return nil
}

func servedBy(kumoi string) (served, services map[string]bool, err error) {
	out, err := exec.Command(kumoi, "routes", "--format", "json").Output()
	if err != nil {
		return nil, nil, fmt.Errorf("%s routes: %w", kumoi, err)
	}
	var rows []struct{ Service, Method, Path string }
	if err := json.Unmarshal(out, &rows); err != nil {
		return nil, nil, err
	}
	served, services = map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		services[r.Service] = true
		served[key(r.Service, r.Method, r.Path)] = true
		base, _, _ := strings.Cut(r.Path, "#")
		// The metadata service and others whose path ends in a rest segment
		// answer everything below it.
		served[key(r.Service, r.Method, base)] = true
	}
	return served, services, nil
}

func inventory(file string) ([]operation, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []operation
	s := bufio.NewScanner(f)
	s.Scan() // the header
	for s.Scan() {
		c := strings.Split(s.Text(), "\t")
		if len(c) != 6 {
			return nil, fmt.Errorf("%s: %q has %d columns, not 6", file, s.Text(), len(c))
		}
		out = append(out, operation{c[0], c[2], c[3], c[4], c[5]})
	}
	return out, s.Err()
}

// Package schedule chooses backends for volumes: filters, then the most room.
// It knows no database and no clock; the same request always gets the same answer.
package schedule

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Pool is a backend that might take a volume.
type Pool struct {
	Name         string // HOST@BACKEND#POOL
	Host         string
	Backend      string
	Driver       string
	Zone         string
	TotalGiB     int
	FreeGiB      int
	AllocatedGiB int // that its volumes may grow to
	Thin, Thick  bool
	// Reserved is how many percent of the room are kept free, OverSubscription
	// how many times its room a thin backend promises.
	Reserved         int
	OverSubscription float64
	Volumes          int
	// Why it takes nothing; "" if it does.
	Out string
}

// Request is what is wanted.
type Request struct {
	SizeGiB int
	Zone    string // "": any
	Specs   map[string]string
	Thick   bool
	Only    string   // the backend that it must be: HOST@BACKEND, with or without #POOL
	Not     []string // pools that were tried
	// Different and Same are pools of the volumes that hints name.
	Different, Same []string
	// Query is the hint of the same name: whether a pool will do.
	Query func(p Pool) bool
}

// Refusal says why a pool was not taken.
type Refusal struct{ Pool, Why string }

// Choose returns the best pool for a request, or why there is none.
func Choose(pools []Pool, r Request) (best Pool, found bool, refused []Refusal) {
	var fit []Pool
	for _, p := range pools {
		if why := refuse(p, r); why != "" {
			refused = append(refused, Refusal{p.Name, why})
			continue
		}
		fit = append(fit, p)
	}
	if len(fit) == 0 {
		return best, false, refused
	}
	best = slices.MinFunc(fit, func(a, b Pool) int {
		return cmp.Or(cmp.Compare(b.room(), a.room()), cmp.Compare(a.Volumes, b.Volumes), cmp.Compare(a.Name, b.Name))
	})
	return best, true, refused
}

// room is how much a pool may still promise, in GiB.
func (p Pool) room() float64 {
	if p.Thin && p.OverSubscription >= 1 {
		return float64(p.TotalGiB)*p.OverSubscription*(1-float64(p.Reserved)/100) - float64(p.AllocatedGiB)
	}
	return float64(p.FreeGiB) - float64(p.TotalGiB)*float64(p.Reserved)/100
}

func refuse(p Pool, r Request) string {
	switch {
	case p.Out != "":
		return p.Out
	case slices.Contains(r.Not, p.Name):
		return "it was tried already"
	case r.Only != "" && p.Name != r.Only && p.Host+"@"+p.Backend != strings.SplitN(r.Only, "#", 2)[0]:
		return "the volume must be in " + r.Only
	case r.Zone != "" && p.Zone != r.Zone:
		return fmt.Sprintf("it is in the zone %s", p.Zone)
	case slices.Contains(r.Different, p.Name):
		return "the hint different_host"
	case len(r.Same) > 0 && !slices.Contains(r.Same, p.Name):
		return "the hint same_host"
	case r.Query != nil && !r.Query(p):
		return "the hint query"
	}
	if why := specs(p, r.Specs); why != "" {
		return why
	}
	return capacity(p, r)
}

func capacity(p Pool, r Request) string {
	thin := p.Thin && !r.Thick
	size := float64(r.SizeGiB)
	if !thin && !p.Thick && !p.Thin {
		return "it makes neither thin nor thick volumes"
	}
	keep := float64(p.TotalGiB) * float64(p.Reserved) / 100
	if thin {
		if size > float64(p.TotalGiB) && p.TotalGiB > 0 {
			return fmt.Sprintf("it has %d GiB in all", p.TotalGiB)
		}
		if p.room() < size {
			return fmt.Sprintf("it has promised %d GiB of %d GiB", p.AllocatedGiB, p.TotalGiB)
		}
		return ""
	}
	if float64(p.FreeGiB)-keep < size {
		return fmt.Sprintf("it has %d GiB left", p.FreeGiB)
	}
	return ""
}

// specs compares a type's extra specs with what the backend can do.
func specs(p Pool, want map[string]string) string {
	for _, key := range sorted(want) {
		scope, name, scoped := strings.Cut(key, ":")
		if !scoped {
			scope, name = "", key
		}
		if scope != "" && scope != "capabilities" { // other scopes are for drivers
			if key == "RESKEY:availability_zones" && !slices.Contains(strings.Split(want[key], ","), p.Zone) {
				return "its zone is not one of the type's"
			}
			continue
		}
		have, known := p.capability(name)
		if !known {
			if scope == "" && (name == "multiattach" || name == "provisioning:type") {
				continue
			}
			return fmt.Sprintf("it does not know the capability %s", name)
		}
		if !Matches(have, want[key]) {
			return fmt.Sprintf("its %s is %s, not %s", name, have, want[key])
		}
	}
	return ""
}

func (p Pool) capability(name string) (string, bool) {
	yes := func(b bool) (string, bool) {
		if b {
			return "True", true
		}
		return "False", true
	}
	switch name {
	case "volume_backend_name":
		return p.Backend, true
	case "pool_name":
		_, pool, _ := strings.Cut(p.Name, "#")
		return pool, true
	case "driver":
		return p.Driver, true
	case "storage_protocol":
		return Protocol(p.Driver), true
	case "vendor_name":
		return Vendor, true
	case "multiattach":
		return yes(true)
	case "thin_provisioning_support":
		return yes(p.Thin)
	case "thick_provisioning_support":
		return yes(p.Thick)
	case "total_capacity_gb":
		return strconv.Itoa(p.TotalGiB), true
	case "free_capacity_gb":
		return strconv.Itoa(p.FreeGiB), true
	case "allocated_capacity_gb":
		return strconv.Itoa(p.AllocatedGiB), true
	case "QoS_support":
		return yes(true)
	}
	return "", false
}

// Matches compares a capability with a spec, which may begin with an operator:
// = == != >= <= s== s!= s< s<= s> s>= <in> <all-in> <is> <or>.
func Matches(have, want string) bool {
	words := strings.Fields(want)
	if len(words) == 0 {
		return have == ""
	}
	op, rest := words[0], strings.Join(words[1:], " ")
	switch op {
	case "<in>":
		return strings.Contains(have, rest)
	case "<all-in>":
		return !slices.ContainsFunc(words[1:], func(w string) bool { return !strings.Contains(have, w) })
	case "<is>":
		return truth(have) == truth(rest)
	case "<or>":
		for alternative := range strings.SplitSeq(rest, "<or>") {
			if strings.TrimSpace(alternative) == have {
				return true
			}
		}
		return false
	case "s==", "s!=", "s<", "s<=", "s>", "s>=":
		return compare(strings.Compare(have, rest), op[1:])
	case "=", "==", "!=", ">=", "<=":
		a, err1 := strconv.ParseFloat(have, 64)
		b, err2 := strconv.ParseFloat(rest, 64)
		if err1 != nil || err2 != nil {
			return false
		}
		if op == "=" {
			op = ">="
		}
		return compare(cmp.Compare(a, b), op)
	}
	return strings.EqualFold(have, want)
}

func compare(c int, op string) bool {
	switch op {
	case "==":
		return c == 0
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

func truth(s string) bool {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "1", "yes", "y", "on", "t":
		return true
	}
	return false
}

func sorted(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

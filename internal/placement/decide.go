package placement

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
)

// Resources are the quantities that servers take from hosts.
type Resources struct {
	VCPU     int
	MemoryMB int
	DiskGB   int
}

// classes lists the quantities by resource class, in the order people read them.
func (r Resources) classes() []classAmount {
	return []classAmount{{VCPU, int64(r.VCPU)}, {MemoryMB, int64(r.MemoryMB)}, {DiskGB, int64(r.DiskGB)}}
}

type classAmount struct {
	class  string
	amount int64
}

// Standard resource classes that servers use.
const (
	VCPU     = "VCPU"
	MemoryMB = "MEMORY_MB"
	DiskGB   = "DISK_GB"
)

// ClaimRequest asks for room for one consumer.
type ClaimRequest struct {
	ConsumerID, ProjectID, UserID string
	Resources                     Resources
	// Hosts are those the caller would accept; no others are looked at.
	Hosts []string
	// Required and Forbidden are traits.
	Required, Forbidden []string
	// Prefer adds to a host's weight (negative: avoid).
	Prefer map[string]float64
}

// Decision is where a claim landed, and why there.
type Decision struct {
	Host     string    `json:"host"` // "" if no host would do
	Why      string    `json:"why"`  // in plain words
	Verdicts []Verdict `json:"verdicts,omitempty"`
}

// Verdict is what was thought of one host.
type Verdict struct {
	Host   string  `json:"host"`
	Fits   bool    `json:"fits"`
	Weight float64 `json:"weight"`
	Why    string  `json:"why"`
}

// HostState is a host as Decide sees it.
type HostState struct {
	Name        string
	Inventories map[string]Inventory // by resource class
	Traits      []string
}

// Decide ranks the hosts for a request: a pure function of its arguments.
// Hosts that fit come first, the roomiest (by the scarcest of its resources
// after the claim) and most preferred at the top; equals are spread by the consumer's id.
func Decide(r ClaimRequest, hosts []HostState) *Decision {
	d := &Decision{}
	for _, h := range hosts {
		d.Verdicts = append(d.Verdicts, judge(r, h))
	}
	slices.SortStableFunc(d.Verdicts, func(a, b Verdict) int {
		switch {
		case a.Fits != b.Fits:
			if a.Fits {
				return -1
			}
			return 1
		case a.Weight != b.Weight:
			if a.Weight > b.Weight {
				return -1
			}
			return 1
		}
		if c := spread(r.ConsumerID, a.Host) - spread(r.ConsumerID, b.Host); c != 0 {
			return int(c)
		}
		return strings.Compare(a.Host, b.Host)
	})
	switch {
	case len(d.Verdicts) == 0:
		d.Why = "no host is up, enabled and allowed for this request"
	case !d.Verdicts[0].Fits:
		reasons := make([]string, 0, len(d.Verdicts))
		for _, v := range d.Verdicts {
			reasons = append(reasons, v.Host+": "+v.Why)
		}
		d.Why = fmt.Sprintf("none of %d host(s) has room (%s)", len(d.Verdicts), strings.Join(reasons, "; "))
	default:
		d.Host = d.Verdicts[0].Host
		d.Why = d.Verdicts[0].Why
	}
	return d
}

func judge(r ClaimRequest, h HostState) Verdict {
	v := Verdict{Host: h.Name}
	for _, t := range r.Required {
		if !slices.Contains(h.Traits, t) {
			v.Why = "lacks the trait " + t
			return v
		}
	}
	for _, t := range r.Forbidden {
		if slices.Contains(h.Traits, t) {
			v.Why = "has the forbidden trait " + t
			return v
		}
	}
	roomiest := 1.0
	var left []string
	for _, c := range r.Resources.classes() {
		if c.amount == 0 {
			continue
		}
		inv, ok := h.Inventories[c.class]
		if !ok {
			v.Why = "has no " + c.class
			return v
		}
		if why := inv.Refuses(c.amount); why != "" {
			v.Why = fmt.Sprintf("%s: %s", c.class, why)
			return v
		}
		after := inv.Capacity() - inv.Used - c.amount
		if share := float64(after) / float64(inv.Capacity()); share < roomiest {
			roomiest = share
		}
		left = append(left, fmt.Sprintf("%d of %d %s", after, inv.Capacity(), c.class))
	}
	v.Fits = true
	v.Weight = roomiest + r.Prefer[h.Name]
	v.Why = "leaves " + strings.Join(left, ", ")
	if p := r.Prefer[h.Name]; p != 0 {
		v.Why += fmt.Sprintf(", preference %+.1f", p)
	}
	return v
}

// spread makes an order of hosts that differs by consumer.
func spread(consumer, host string) int64 {
	h := fnv.New32a()
	h.Write([]byte(consumer + "/" + host))
	return int64(h.Sum32())
}

package compute

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// String tells the explanation in plain words.
func (e *Explanation) String() string {
	var b strings.Builder
	srv := e.Server
	fmt.Fprintf(&b, "Server %s (%s) is %s", srv.ID, srv.Name, e.Status)
	if srv.Host != "" {
		fmt.Fprintf(&b, " on host %s", srv.Host)
	}
	b.WriteString(".\n")
	if e.Fault != "" {
		fmt.Fprintf(&b, "Fault: %s\n", e.Fault)
	}
	if e.Reason != "" {
		fmt.Fprintf(&b, "The reason: %s\n", e.Reason)
	}
	section(&b, "Why there", e.Decision)

	var ports []string
	for _, p := range e.Ports {
		where := "bound to no host"
		if p.Host != "" {
			where = "bound on " + p.Host
		}
		ports = append(ports, fmt.Sprintf("%s  %s  %s  on network %s: %s, %s", p.ID, p.MAC, strings.Join(p.Addresses, ", "), p.NetworkID, where, p.Status))
	}
	section(&b, "Ports", ports)

	if len(e.Actions) > 0 {
		b.WriteString("\nWhat was done\n")
		for _, a := range e.Actions {
			fmt.Fprintf(&b, "  %s  %-12s %8s  %s\n", a.StartedAt.Format(time.DateTime), a.Action.Action, a.Took.Round(time.Millisecond), a.RequestID)
			for _, ev := range slices.Backward(a.Events) { // as they happened; the API has the newest first
				took := ""
				if !ev.EndedAt.IsZero() {
					took = ev.EndedAt.Sub(ev.StartedAt).Round(10 * time.Microsecond).String()
				}
				fmt.Fprintf(&b, "      %-36s %10s  %s\n", ev.Name, took, ev.Result)
			}
		}
	}
	if g := e.Guest; g != nil {
		fmt.Fprintf(&b, "\nThe guest, as host %s sees it: %s, libvirt domain %s", g.Host, g.Power, g.Domain)
		if !g.StartedAt.IsZero() {
			fmt.Fprintf(&b, ", started %s", g.StartedAt.Format(time.DateTime))
		}
		b.WriteString("\n")
		for _, st := range g.Steps {
			fmt.Fprintf(&b, "  %-32s %10s\n", st.Name, st.Took.Round(10*time.Microsecond))
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

func section(b *strings.Builder, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, l := range lines {
		fmt.Fprintf(b, "  %s\n", l)
	}
}

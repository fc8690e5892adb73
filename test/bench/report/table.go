package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"kumoi/test/bench"
)

// table is a title, a head and rows of text.
type table struct {
	title string
	head  []string
	rows  [][]string
	notes []string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n", t.title)
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, row := range append([][]string{t.head}, t.rows...) {
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	tw.Flush()
	for _, n := range t.notes {
		fmt.Fprintln(w, n)
	}
}

func (t *table) markdown(w io.Writer) {
	fmt.Fprintf(w, "\n## %s\n\n| %s |\n|%s\n", t.title, strings.Join(t.head, " | "), strings.Repeat(" --- |", len(t.head)))
	for _, row := range t.rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
	for _, n := range t.notes {
		fmt.Fprintf(w, "\n%s\n", n)
	}
}

// appendMarkdown adds the tables to a file, and a head where there is none.
func appendMarkdown(path string, tables []*table) error {
	_, err := os.Stat(path)
	fresh := os.IsNotExist(err)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if fresh {
		fmt.Fprintf(f, "# What was measured\n\nMade by `make bench WRITE=docs/benchmarks.md` on %s, %d cores.\n", cpu(), runtime.NumCPU())
	}
	for _, t := range tables {
		t.markdown(f)
	}
	return f.Close()
}

// cpu is the processor's name.
func cpu() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.SplitSeq(string(b), "\n") {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return runtime.GOARCH
}

func ms(d time.Duration) string {
	switch v := float64(d) / float64(time.Millisecond); {
	case v < 10:
		return fmt.Sprintf("%.2f ms", v)
	case v < 1000:
		return fmt.Sprintf("%.0f ms", v)
	default:
		return fmt.Sprintf("%.2f s", v/1000)
	}
}

// atMost compares a value with a target it should stay below.
func atMost(value, target float64) string { return verdict(target / value) }

// atLeast compares a value with a target it should reach.
func atLeast(value, target float64) string { return verdict(value / target) }

// verdict says how many times better than the target something is.
func verdict(times float64) string {
	mark := "met"
	if times < 1 {
		mark = "short"
	}
	return fmt.Sprintf("%s (%.2f×)", mark, times)
}

// latency is a row about how long one run takes.
func (t *table) latency(name string, s bench.Samples, spent time.Duration, target time.Duration) {
	aim, compared := "", ""
	if target > 0 {
		aim, compared = "p50 under "+ms(target), atMost(float64(s.Quantile(0.5)), float64(target))
	}
	t.add(name, fmt.Sprint(len(s.Times)), ms(s.Quantile(0.5)), ms(s.Quantile(0.99)), fmt.Sprintf("%.0f/s", s.Rate()), perCore(s, spent), aim, compared)
}

// rate is a row about how many runs are done in a second: by one core of
// kumoi's, and by the whole machine, which the client shares; 0 for no target.
func (t *table) rate(name string, s bench.Samples, spent time.Duration, core, machine float64) {
	var aims, compared []string
	if core > 0 && spent > 0 {
		aims = append(aims, fmt.Sprintf("%.0f/s per core", core))
		compared = append(compared, atLeast(float64(len(s.Times))/spent.Seconds(), core))
	}
	if machine > 0 {
		aims = append(aims, fmt.Sprintf("%.0f/s", machine))
		compared = append(compared, atLeast(s.Rate(), machine))
	}
	t.add(name, fmt.Sprint(len(s.Times)), ms(s.Quantile(0.5)), ms(s.Quantile(0.99)), fmt.Sprintf("%.0f/s", s.Rate()), perCore(s, spent),
		strings.Join(aims, ", "), strings.Join(compared, ", "))
}

func perCore(s bench.Samples, spent time.Duration) string {
	if spent <= 0 {
		return ""
	}
	return fmt.Sprintf("%.0f/s", float64(len(s.Times))/spent.Seconds())
}

package main

import (
	"cmp"
	"fmt"
	"go/types"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// weave puts faults of one file into its text. No line moves.
func weave(text []byte, faults []fault) []byte {
	type edit struct {
		at, end int // the bytes replaced
		text    string
		order   [3]int
	}
	var edits []edit
	for i, f := range faults {
		words := func(s string) string { return strings.ReplaceAll(s, "%d", strconv.Itoa(f.id)) }
		edits = append(edits,
			edit{f.from, f.from, words(f.open), [3]int{1, -f.to, i}}, // the outer one opens first
			edit{f.to, f.to, words(f.shut), [3]int{0, -f.from, -i}})  // and shuts last
		if f.middle != "" {
			edits = append(edits, edit{f.op[0], f.op[1], words(f.middle), [3]int{2, 0, 0}})
		}
	}
	slices.SortFunc(edits, func(a, b edit) int {
		return cmp.Or(a.at-b.at, slices.Compare(a.order[:], b.order[:]))
	})
	var out []byte
	last := 0
	for _, e := range edits {
		out = append(append(out, text[last:e.at]...), e.text...)
		last = e.end
	}
	return append(out, text[last:]...)
}

// helpers is a file beside the woven ones: which fault is awake, and a note of every
// fault that the running test came by.
const helpers = `package %s

import (
	"os"
	"strconv"
	"sync/atomic"
%s)

%s
var (
	mutantAwake, _ = strconv.Atoi(os.Getenv("KUMOI_MUTANT"))
	mutantNotes    = os.Getenv("KUMOI_MUTANT_NOTES")
	mutantMet      [%d]atomic.Bool
)

func mutant(id int) bool {
	if mutantNotes != "" && !mutantMet[id].Swap(true) {
		if f, err := os.OpenFile(mutantNotes, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			f.WriteString(strconv.Itoa(id) + "\n")
			f.Close()
		}
	}
	return id == mutantAwake
}

type mutantNumber interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr | ~float32 | ~float64
}

type mutantOrdered interface{ mutantNumber | ~string }

func mutantLess[T mutantOrdered](id int, a, b T) bool      { return a < b || a == b && mutant(id) }
func mutantLessEqual[T mutantOrdered](id int, a, b T) bool { return a <= b && !(a == b && mutant(id)) }
func mutantMore[T mutantOrdered](id int, a, b T) bool      { return a > b || a == b && mutant(id) }
func mutantMoreEqual[T mutantOrdered](id int, a, b T) bool { return a >= b && !(a == b && mutant(id)) }

func mutantAdd[T mutantNumber](id int, a, b T) T {
	if mutant(id) {
		return a - b
	}
	return a + b
}

func mutantSub[T mutantNumber](id int, a, b T) T {
	if mutant(id) {
		return a + b
	}
	return a - b
}

func mutantOneMore[T mutantNumber](id int, n T) T {
	if mutant(id) {
		return n + 1
	}
	return n
}

func mutantDrop(id int, err error) error {
	if mutant(id) {
		return nil
	}
	return err
}
`

// helperFile fills helpers in for a package. Types of other packages get a name that
// no file's imports can hide.
func helperFile(name string, faults []fault, last int) string {
	paths, aliases := map[string]bool{}, map[string]string{}
	for _, f := range faults {
		if f.needs != nil {
			paths[f.needs.Pkg().Path()] = true
			aliases[alias(f.needs)] = mangled(f.needs.Pkg().Path()) + "." + f.needs.Name()
		}
	}
	var imports, named strings.Builder
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		fmt.Fprintf(&imports, "\t%s %q\n", mangled(p), p)
	}
	for _, a := range slices.Sorted(maps.Keys(aliases)) {
		fmt.Fprintf(&named, "type %s = %s\n", a, aliases[a])
	}
	return fmt.Sprintf(helpers, name, imports.String(), named.String(), last+1)
}

func alias(t *types.TypeName) string { return mangled(t.Pkg().Path()) + "_" + t.Name() }

func mangled(path string) string {
	return "mutant_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, path)
}

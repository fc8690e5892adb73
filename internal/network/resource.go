package network

import "strings"

// resource constrains a pointer type to be one of this package's resources.
type resource[T any] interface {
	*T
	Resource
}

// flag is a truth value as policy rules compare it.
func flag(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// idsOf lists ids once each, in the order met.
func idsOf[T any](vs []*T, id func(*T) string) []string {
	seen := map[string]bool{}
	var out []string
	for _, v := range vs {
		if k := id(v); k != "" && !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out
}

func compareText(a, b string) int { return strings.Compare(a, b) }

package actor

import (
	"regexp"
	"slices"
	"strings"
)

// AccessRule allows one kind of request to a token that may make no other.
type AccessRule struct {
	Service, Method string
	path            *regexp.Regexp
}

// serviceRole lets a service carry on for a user what the user's own request
// began: the rules bound that request, not those that follow from it.
const serviceRole = "service"

// NewAccessRule makes a rule of a path pattern: * and {name} stand for one or
// more characters other than a slash, ** for any characters.
func NewAccessRule(service, method, pattern string) AccessRule {
	var text strings.Builder
	text.WriteString("(?s)^")
	for pattern != "" {
		end := strings.IndexByte(pattern, '}')
		switch {
		case strings.HasPrefix(pattern, "**"):
			text.WriteString(".*")
			pattern = pattern[2:]
			continue
		case pattern[0] == '*':
			text.WriteString("[^/]+")
		case pattern[0] == '{' && end > 0:
			text.WriteString("[^/]+")
			pattern = pattern[end:]
		default:
			next := strings.IndexAny(pattern[1:], "*{") + 1
			if next == 0 {
				next = len(pattern)
			}
			text.WriteString(regexp.QuoteMeta(pattern[:next]))
			pattern = pattern[next:]
			continue
		}
		pattern = pattern[1:]
	}
	text.WriteString("$")
	r, err := regexp.Compile(text.String())
	if err != nil { // too long or not text: it allows nothing
		return AccessRule{Service: service, Method: method}
	}
	return AccessRule{service, method, r}
}

// Permits tells whether the access rules of the actor's token allow a request.
// The path is the one below the service's root. Whatever the rules say, a token
// may be validated.
func (a *Actor) Permits(service, method, path string) bool {
	if a.AccessRules == nil || slices.Contains(a.ServiceRoles, serviceRole) {
		return true
	}
	if service == "identity" && method == "GET" && path == "/v3/auth/tokens" {
		return true
	}
	return slices.ContainsFunc(a.AccessRules, func(r AccessRule) bool {
		return r.Service == service && r.Method == method && r.path != nil && r.path.MatchString(path)
	})
}

package federation

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"kumoi/internal/kernel/errs"
)

// MappingRule says: if the assertion has all that Remote asks, the user is and
// belongs to what Local says. {0}, {1} … in Local stand for the values of those
// remote attributes that carry no condition.
type MappingRule struct {
	Local  []map[string]any `json:"local"`
	Remote []RemoteRule     `json:"remote"`
}

// RemoteRule is one demand on an assertion.
type RemoteRule struct {
	Type      string   `json:"type"`
	AnyOneOf  []string `json:"any_one_of,omitempty"`
	NotAnyOf  []string `json:"not_any_of,omitempty"`
	Whitelist []string `json:"whitelist,omitempty"`
	Blacklist []string `json:"blacklist,omitempty"`
	Regex     bool     `json:"regex,omitempty"`
}

// Mapped is what a mapping makes of an assertion.
type Mapped struct {
	UserID, UserName, Email string
	UserDomain              MappedDomain
	Local                   bool // the user exists here already
	GroupIDs                []string
	GroupNames              []MappedGroup
	Projects                []MappedProject
}

// MappedDomain, MappedGroup and MappedProject are parts of a mapping's result.
type (
	MappedDomain struct{ ID, Name string }
	MappedGroup  struct {
		Name   string
		Domain MappedDomain
	}
	MappedProject struct {
		Name   string
		Domain MappedDomain
		Roles  []string
	}
)

// ValidateRules refuses rules that could never be run.
func ValidateRules(rules []MappingRule) error {
	for i, r := range rules {
		if len(r.Remote) == 0 {
			return errs.New(errs.Invalid, "Rule %d of the mapping needs at least one remote entry.", i)
		}
		for _, rem := range r.Remote {
			conditions := 0
			for _, list := range [][]string{rem.AnyOneOf, rem.NotAnyOf, rem.Whitelist, rem.Blacklist} {
				if list != nil {
					conditions++
				}
			}
			if rem.Type == "" || conditions > 1 {
				return errs.New(errs.Invalid, "Rule %d of the mapping: a remote entry has a type and at most one of any_one_of, not_any_of, whitelist and blacklist.", i)
			}
			if !rem.Regex {
				continue
			}
			for _, list := range [][]string{rem.AnyOneOf, rem.NotAnyOf, rem.Whitelist, rem.Blacklist} {
				for _, expr := range list {
					if _, err := regexp.Compile(expr); err != nil {
						return errs.Wrap(errs.Invalid, err, "Rule %d of the mapping: %q is not a regular expression that can be used.", i, expr)
					}
				}
			}
		}
	}
	return nil
}

// Map runs the rules on an assertion. All rules that fit contribute; the first
// that names a user decides who it is.
func (m Mapping) Map(a Assertion) (Mapped, error) {
	mapped, _, err := m.Explain(a)
	return mapped, err
}

// Explain is Map that tells of every rule why it did not fit; "" is for those
// that did.
func (m Mapping) Explain(a Assertion) (out Mapped, why []string, err error) {
	fit, named := false, false
	for _, r := range m.Rules {
		values, miss := r.fits(a)
		why = append(why, miss)
		if miss != "" {
			continue
		}
		fit = true
		for _, local := range r.Local {
			if err == nil {
				err = out.take(local, values, &named)
			}
		}
	}
	switch user := a[RemoteUser]; {
	case err != nil:
	case !fit:
		err = errs.New(errs.Unauthenticated, "No rule of mapping %s fits what the identity provider says.", m.ID)
	case !named && len(user) == 1:
		out.UserName = user[0]
	case out.UserName == "" && out.UserID == "":
		err = errs.New(errs.Unauthenticated, "Could not map any federated user properties to identity values.")
	}
	return out, why, err
}

// fits tells why an assertion does not meet a demand of a rule. If it meets
// all, it returns the values of the demands without a condition.
func (r MappingRule) fits(a Assertion) (values [][]string, why string) {
	for _, rem := range r.Remote {
		have := slices.DeleteFunc(slices.Clone(a[rem.Type]), func(v string) bool { return v == "" })
		if len(have) == 0 {
			return nil, fmt.Sprintf("the assertion has no %s", rem.Type)
		}
		switch {
		case rem.AnyOneOf != nil:
			if !rem.anyIn(have, rem.AnyOneOf) {
				return nil, fmt.Sprintf("%s is %q, which is not any_one_of %q", rem.Type, have, rem.AnyOneOf)
			}
			continue
		case rem.NotAnyOf != nil:
			if rem.anyIn(have, rem.NotAnyOf) {
				return nil, fmt.Sprintf("%s is %q, of which not_any_of %q may be there", rem.Type, have, rem.NotAnyOf)
			}
			continue
		case rem.Whitelist != nil:
			have = slices.DeleteFunc(have, func(v string) bool { return !rem.in(v, rem.Whitelist) })
		case rem.Blacklist != nil:
			have = slices.DeleteFunc(have, func(v string) bool { return rem.in(v, rem.Blacklist) })
		}
		values = append(values, have)
	}
	return values, ""
}

func (r RemoteRule) anyIn(have, list []string) bool {
	return slices.ContainsFunc(have, func(v string) bool { return r.in(v, list) })
}

func (r RemoteRule) in(v string, list []string) bool {
	if !r.Regex {
		return slices.Contains(list, v)
	}
	return slices.ContainsFunc(list, func(expr string) bool {
		re, err := regexp.Compile(expr)
		return err == nil && re.MatchString(v)
	})
}

// take adds one local entry to the result.
func (m *Mapped) take(local map[string]any, values [][]string, named *bool) error {
	domain, err := mappedDomain(local["domain"], values)
	if err != nil {
		return err
	}
	if u, ok := local["user"].(map[string]any); ok && !*named {
		*named = true
		if err := m.takeUser(u, values); err != nil {
			return err
		}
	}
	if g, ok := local["group"].(map[string]any); ok {
		if err := m.takeGroup(g, values); err != nil {
			return err
		}
	}
	if text, ok := local["groups"].(string); ok {
		names, err := expandList(text, values)
		if err != nil {
			return err
		}
		for _, n := range names {
			g, err := namedGroup(n, domain)
			if err != nil {
				return err
			}
			m.GroupNames = append(m.GroupNames, g)
		}
	}
	if text, ok := local["group_ids"].(string); ok {
		ids, err := expandList(text, values)
		if err != nil {
			return err
		}
		m.GroupIDs = append(m.GroupIDs, ids...)
	}
	projects, _ := local["projects"].([]any)
	for _, p := range projects {
		if err := m.takeProject(p, domain, values); err != nil {
			return err
		}
	}
	return nil
}

func (m *Mapped) takeUser(u map[string]any, values [][]string) error {
	for key, dst := range map[string]*string{"id": &m.UserID, "name": &m.UserName, "email": &m.Email} {
		text, _ := u[key].(string)
		v, err := expandOne(text, values)
		if err != nil {
			return err
		}
		*dst = v
	}
	m.Local = u["type"] == "local"
	var err error
	m.UserDomain, err = mappedDomain(u["domain"], values)
	return err
}

func (m *Mapped) takeGroup(g map[string]any, values [][]string) error {
	id, _ := g["id"].(string)
	id, err := expandOne(id, values)
	if err != nil {
		return err
	}
	if id != "" {
		m.GroupIDs = append(m.GroupIDs, id)
		return nil
	}
	name, _ := g["name"].(string)
	if name, err = expandOne(name, values); err != nil {
		return err
	}
	domain, err := mappedDomain(g["domain"], values)
	if err == nil {
		m.GroupNames = append(m.GroupNames, MappedGroup{name, domain})
	}
	return err
}

// GroupPrefix begins the name of a group that brings its domain along, as a
// Keystone that vouches for its users writes it.
const GroupPrefix = "JSON:"

// namedGroup reads a group's name. A domain that the mapping names confines what
// the provider says: then nothing brought along counts.
func namedGroup(text string, domain MappedDomain) (MappedGroup, error) {
	rest, ok := strings.CutPrefix(text, GroupPrefix)
	if !ok || domain != (MappedDomain{}) {
		return MappedGroup{text, domain}, nil
	}
	var g MappedGroup
	if err := json.Unmarshal([]byte(rest), &g); err != nil || g.Name == "" {
		return g, errs.New(errs.Invalid, "The group %.100q is not the JSON of a group with a name.", text)
	}
	return g, nil
}

func (m *Mapped) takeProject(p any, domain MappedDomain, values [][]string) error {
	o, _ := p.(map[string]any)
	name, _ := o["name"].(string)
	name, err := expandOne(name, values)
	if err != nil {
		return err
	}
	out := MappedProject{Name: name, Domain: domain}
	if own, err := mappedDomain(o["domain"], values); err != nil {
		return err
	} else if own != (MappedDomain{}) {
		out.Domain = own
	}
	roles, _ := o["roles"].([]any)
	for _, r := range roles {
		ro, _ := r.(map[string]any)
		rn, _ := ro["name"].(string)
		if rn, err = expandOne(rn, values); err != nil {
			return err
		}
		out.Roles = append(out.Roles, rn)
	}
	m.Projects = append(m.Projects, out)
	return nil
}

func mappedDomain(v any, values [][]string) (MappedDomain, error) {
	o, _ := v.(map[string]any)
	id, _ := o["id"].(string)
	name, _ := o["name"].(string)
	id, err := expandOne(id, values)
	if err != nil {
		return MappedDomain{}, err
	}
	name, err = expandOne(name, values)
	return MappedDomain{id, name}, err
}

var placeholder = regexp.MustCompile(`\{(\d+)\}`)

// expandOne puts values into a text; each must be a single one.
func expandOne(text string, values [][]string) (string, error) {
	var bad error
	out := placeholder.ReplaceAllStringFunc(text, func(mark string) string {
		v, err := pick(mark, values)
		if err != nil {
			bad = err
			return ""
		}
		return strings.Join(v, ";")
	})
	return out, bad
}

// expandList puts values into a text that stands for a list: a lone {0} is all
// of the values, else every combination of text around them is one.
func expandList(text string, values [][]string) ([]string, error) {
	if mark := placeholder.FindString(text); mark != "" {
		list, err := pick(mark, values)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(text) == mark {
			return list, nil
		}
		// The text around the mark is expanded by itself: values are data, and a
		// value that looks like a mark must stay what it is.
		around := strings.Split(text, mark)
		for i := range around {
			if around[i], err = expandOne(around[i], values); err != nil {
				return nil, err
			}
		}
		out := make([]string, 0, len(list))
		for _, v := range list {
			out = append(out, strings.Join(around, v))
		}
		return out, nil
	}
	return []string{text}, nil
}

func pick(mark string, values [][]string) ([]string, error) {
	i, err := strconv.Atoi(strings.Trim(mark, "{}"))
	if err != nil || i >= len(values) {
		return nil, errs.New(errs.Invalid, "The mapping refers to %s, but only %d remote entries without a condition come before.", mark, len(values))
	}
	return values[i], nil
}

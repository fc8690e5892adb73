package policy

import (
	"fmt"
	"slices"
	"strings"

	"kumoi/internal/kernel/actor"
)

// check is one node of a parsed rule. depth bounds rule: references, so that a
// cycle in an operator's file denies rather than recurses for ever.
type check interface {
	eval(e *Engine, a *actor.Actor, t Target, depth int) bool
	String() string
}

const maxDepth = 32

type (
	constCheck bool
	notCheck   struct{ of check }
	andCheck   []check
	orCheck    []check
	ruleCheck  string
	roleCheck  string
	// attrCheck is KIND:MATCH, as in project_id:%(project_id)s.
	attrCheck struct{ kind, match string }
)

func (c constCheck) eval(*Engine, *actor.Actor, Target, int) bool { return bool(c) }
func (c notCheck) eval(e *Engine, a *actor.Actor, t Target, d int) bool {
	return !c.of.eval(e, a, t, d)
}

func (c andCheck) eval(e *Engine, a *actor.Actor, t Target, d int) bool {
	for _, x := range c {
		if !x.eval(e, a, t, d) {
			return false
		}
	}
	return true
}

func (c orCheck) eval(e *Engine, a *actor.Actor, t Target, d int) bool {
	for _, x := range c {
		if x.eval(e, a, t, d) {
			return true
		}
	}
	return false
}

func (c ruleCheck) eval(e *Engine, a *actor.Actor, t Target, d int) bool {
	if d >= maxDepth {
		return false
	}
	next, ok := e.lookup(string(c))
	return ok && next.eval(e, a, t, d+1)
}

func (c roleCheck) eval(_ *Engine, a *actor.Actor, t Target, _ int) bool {
	name, ok := t.expand(string(c))
	return ok && a.HasRole(name)
}

func (c attrCheck) eval(_ *Engine, a *actor.Actor, t Target, _ int) bool {
	want, ok := t.expand(c.match)
	if !ok {
		return false
	}
	if lit, quoted := unquote(c.kind); quoted {
		return lit == want
	}
	switch c.kind {
	case "True", "False", "None":
		return c.kind == want
	}
	have := credential(a, c.kind)
	if c.match == "None" { // "domain_id:None": the actor has none
		return len(have) == 0
	}
	return slices.Contains(have, want)
}

func (c constCheck) String() string {
	if c {
		return "@"
	}
	return "!"
}
func (c notCheck) String() string  { return "not " + c.of.String() }
func (c andCheck) String() string  { return join(c, " and ") }
func (c orCheck) String() string   { return "(" + join(c, " or ") + ")" }
func (c ruleCheck) String() string { return "rule:" + string(c) }
func (c roleCheck) String() string { return "role:" + string(c) }
func (c attrCheck) String() string { return c.kind + ":" + c.match }

func join(cs []check, sep string) string {
	parts := make([]string, len(cs))
	for i, c := range cs {
		parts[i] = c.String()
	}
	return strings.Join(parts, sep)
}

// parse reads OpenStack's rule language (oslo.policy): and, or, not,
// parentheses, "@", "!", role:R, rule:R and KIND:MATCH. An empty rule allows.
func parse(text string) (check, error) {
	p := &parser{tokens: tokenize(text), text: text}
	if len(p.tokens) == 0 {
		return constCheck(true), nil
	}
	c, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.pos != len(p.tokens) {
		return nil, fmt.Errorf("rule %q: unexpected %q", text, p.tokens[p.pos])
	}
	return c, nil
}

type parser struct {
	tokens []string
	pos    int
	text   string
}

func (p *parser) take(word string) bool {
	if p.pos < len(p.tokens) && strings.EqualFold(p.tokens[p.pos], word) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) or(depth int) (check, error) {
	return p.chain(depth, "or", p.and, func(cs []check) check { return orCheck(cs) })
}

func (p *parser) and(depth int) (check, error) {
	return p.chain(depth, "and", p.not, func(cs []check) check { return andCheck(cs) })
}

func (p *parser) chain(depth int, word string, next func(int) (check, error), wrap func([]check) check) (check, error) {
	first, err := next(depth)
	if err != nil {
		return nil, err
	}
	all := []check{first}
	for p.take(word) {
		c, err := next(depth)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 1 {
		return first, nil
	}
	return wrap(all), nil
}

func (p *parser) not(depth int) (check, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("rule %.60q: nested too deeply", p.text)
	}
	if p.take("not") {
		c, err := p.not(depth + 1)
		return notCheck{c}, err
	}
	if p.take("(") {
		c, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, fmt.Errorf("rule %q: missing )", p.text)
		}
		return c, nil
	}
	if p.pos == len(p.tokens) {
		return nil, fmt.Errorf("rule %q: ends too early", p.text)
	}
	tok := p.tokens[p.pos]
	p.pos++
	switch tok {
	case "@":
		return constCheck(true), nil
	case "!":
		return constCheck(false), nil
	}
	kind, match, ok := cutOutsideQuotes(tok)
	if !ok {
		return nil, fmt.Errorf("rule %q: %q is not KIND:MATCH", p.text, tok)
	}
	switch kind {
	case "rule":
		return ruleCheck(match), nil
	case "role":
		return roleCheck(match), nil
	}
	return attrCheck{kind, match}, nil
}

// tokenize splits at blanks and at parentheses that are not part of %(name)s.
func tokenize(text string) []string {
	var out []string
	for word := range strings.FieldsSeq(text) {
		for strings.HasPrefix(word, "(") {
			out = append(out, "(")
			word = word[1:]
		}
		tail := 0
		for strings.HasSuffix(word, ")") && strings.Count(word, ")") > strings.Count(word, "(") {
			word = word[:len(word)-1]
			tail++
		}
		if word != "" {
			out = append(out, word)
		}
		for range tail {
			out = append(out, ")")
		}
	}
	return out
}

func cutOutsideQuotes(tok string) (kind, match string, ok bool) {
	if tok != "" && (tok[0] == '\'' || tok[0] == '"') {
		if end := strings.IndexByte(tok[1:], tok[0]); end >= 0 {
			rest := tok[end+2:]
			if m, found := strings.CutPrefix(rest, ":"); found {
				return tok[:end+2], m, true
			}
		}
		return "", "", false
	}
	return strings.Cut(tok, ":")
}

func unquote(s string) (string, bool) {
	if len(s) >= 2 && (s[0] == '\'' || s[0] == '"') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1], true
	}
	return s, false
}

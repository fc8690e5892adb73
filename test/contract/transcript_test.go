package contract

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"kumoi/test/apptest"
	"kumoi/test/stockclient"
)

// transcript plays a session of commands.
type transcript struct {
	t       *testing.T
	clients *stockclient.Process
	users   map[string]map[string]string // OS_ variables by name
	vars    map[string]string
	used    map[string]bool // commands without their arguments
	as      string
}

// credentials are a user's OS_ variables; his project has his name.
func credentials(c *apptest.Cloud, user, password string) map[string]string {
	return map[string]string{
		"OS_AUTH_URL": c.AuthURL(), "OS_IDENTITY_API_VERSION": "3", "OS_IMAGE_API_VERSION": "2", "OS_REGION_NAME": "RegionOne",
		"OS_USERNAME": user, "OS_PASSWORD": password, "OS_PROJECT_NAME": user, "OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default",
	}
}

// step is a command with what is expected of it.
type step struct {
	line       int
	kind       byte // '$', '!' or '?'
	words      []string
	as         string
	want       []string
	into       []string
	matches    []*regexp.Regexp
	lastAnswer stockclient.Answer
}

var variable = regexp.MustCompile(`\$[A-Z][A-Z0-9_]*`)

// expand replaces $NAMES.
func (s *transcript) expand(text string) string {
	return variable.ReplaceAllStringFunc(text, func(name string) string {
		v, ok := s.vars[name[1:]]
		if !ok {
			s.t.Fatalf("%s is not set", name)
		}
		return v
	})
}

// words splits a command at blanks outside of single quotes.
func words(line string) []string {
	var out []string
	var cur strings.Builder
	quoted, begun := false, false
	for _, r := range line {
		switch {
		case r == '\'':
			quoted, begun = !quoted, true
		case r == ' ' && !quoted:
			if begun {
				out = append(out, cur.String())
			}
			cur.Reset()
			begun = false
		default:
			cur.WriteRune(r)
			begun = true
		}
	}
	if begun {
		out = append(out, cur.String())
	}
	return out
}

// play reads and runs a transcript.
func (s *transcript) play(path string) {
	s.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	var cur *step
	flush := func() {
		if cur != nil {
			s.do(cur)
		}
		cur = nil
	}
	for i, line := range strings.Split(string(b), "\n") {
		head, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch head {
		case "", "#":
		case "as":
			flush()
			if s.as = rest; s.users[rest] == nil {
				s.t.Fatalf("%s:%d: there is no user %q", path, i+1, rest)
			}
		case "$", "!", "?":
			flush()
			cur = &step{line: i + 1, kind: head[0], words: words(rest), as: s.as}
		case "~":
			cur.want = append(cur.want, rest)
		case "=":
			cur.into = append(cur.into, rest)
		default:
			s.t.Fatalf("%s:%d: %q is not understood", path, i+1, line)
		}
	}
	flush()
}

// do runs a step.
func (s *transcript) do(st *step) {
	s.t.Helper()
	for i := range st.words {
		st.words[i] = s.expand(st.words[i])
	}
	for _, w := range st.want {
		re, err := regexp.Compile(s.expand(w))
		if err != nil {
			s.t.Fatalf("line %d: %v", st.line, err)
		}
		st.matches = append(st.matches, re)
	}
	deadline := time.Now().Add(30 * time.Second)
	why := s.try(st)
	for st.kind == '?' && why != "" && time.Now().Before(deadline) {
		why = s.try(st)
	}
	if why != "" {
		s.t.Fatalf("line %d: %s as %s: %s\n%s%s", st.line, strings.Join(st.words, " "), st.as, why, st.lastAnswer.Out, st.lastAnswer.Err)
	}
	for _, into := range st.into {
		name, pattern, _ := strings.Cut(into, " ")
		m := regexp.MustCompile(cmp.Or(pattern, `(?s)^\s*(.*?)\s*$`)).FindStringSubmatch(st.lastAnswer.Out)
		if m == nil {
			s.t.Fatalf("line %d: nothing is %q in\n%s", st.line, pattern, st.lastAnswer.Out)
		}
		s.vars[name] = m[1]
	}
}

// try runs a step once and says what is wrong with the answer.
func (s *transcript) try(st *step) string {
	tool, args := st.words[0], st.words[1:]
	a, err := s.clients.Run(tool, args, s.users[st.as])
	if err != nil {
		s.t.Fatal(err)
	}
	st.lastAnswer = a
	for i, w := range args {
		if strings.HasPrefix(w, "-") {
			break
		}
		s.used[tool+" "+strings.Join(args[:i+1], " ")] = true
	}
	if (a.Code == 0) != (st.kind != '!') {
		return fmt.Sprintf("exit %d", a.Code)
	}
	text := strings.Join(strings.Fields(a.Out+" "+a.Err), " ")
	for _, re := range st.matches {
		if !re.MatchString(text) {
			return fmt.Sprintf("the answer does not match %q", re)
		}
	}
	return ""
}

// complete checks that every one of a client's commands was used.
func (s *transcript) complete(commands []string, except map[string]string) {
	s.t.Helper()
	if len(commands) < 5 {
		s.t.Fatalf("only %d commands were found", len(commands))
	}
	for _, c := range commands {
		if _, excused := except[c]; !s.used[c] && !excused {
			s.t.Errorf("%s is not in the transcript", c)
		}
	}
}

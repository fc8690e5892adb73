package fuzz

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"strings"

	"kumoi/internal/app"
)

// generator makes requests. It learns names of attributes and ids from answers,
// so that later requests get further than earlier ones.
type generator struct {
	*rand.Rand
	routes []app.RouteRow
	tokens []string // of those who may ask; "" is nobody
	names  *pool
	values *pool
}

func newGenerator(seed uint64, routes []app.RouteRow) *generator {
	return &generator{
		Rand: rand.New(rand.NewPCG(seed, 0)), routes: routes, //nolint:gosec // repeatable on purpose
		names: newPool(strings.Fields("name description id enabled tags metadata limit marker sort_key sort_dir fields all_tenants changes-since status " +
			"project_id tenant_id user_id domain_id server_id network_id subnet_id port_id router_id device_id device_owner fixed_ips ip_address cidr " +
			"ip_version gateway_ip imageRef flavorRef networks uuid key_name user_data block_device_mapping_v2 adminPass metadata visibility disk_format " +
			"container_format min_disk min_ram size value op path properties resources allocations generation inventories total reserved traits auth identity " +
			"methods password scope project blob type interface url region_id service_id mac_address mtu vlan_transparent dns_name qos_policy_id")),
		values: newPool([]string{"", "default", "admin", "RegionOne", "member", "nova", "10.0.0.0/24", "2001:db8::/64", "fa:16:3e:00:00:01", "00000000-0000-0000-0000-000000000000"}),
	}
}

// pool is a bounded set of texts.
type pool struct {
	list []string
	has  map[string]bool
}

func newPool(list []string) *pool {
	p := &pool{has: map[string]bool{}}
	for _, s := range list {
		p.add(s)
	}
	return p
}

func (p *pool) add(s string) {
	if !p.has[s] && len(p.list) < 2000 {
		p.has[s] = true
		p.list = append(p.list, s)
	}
}

func pick[T any](g *generator, list []T) T { return list[g.IntN(len(list))] }

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

// nasty are texts that have broken programs.
var nasty = []string{
	"", " ", "\x00", "\xff\xfe", "..", "../../etc/passwd", "/", "//", "%", "%zz", "%00", "null", "None", "true", "-1", "0", "99999999999999999999", "1e999", "NaN",
	"'; DROP TABLE x; --", `"`, "\\", "\r\nX-Injected: 1", "{", "[]", "<script>", "\u202e\u0000", "ﬀ", "İ", "𝒳", "e\u0301", strings.Repeat("a", 256), strings.Repeat("é", 5000),
	strings.Repeat("9", 400), "2026-11-30T00:00:00Z", "gt:5", "in:a,\"b", "*", "?", "#", ";", "&", "=", "a=b&c", "::", "1.2.3.4/33", "fe80::1%eth0", "%s%n%d", "${x}", "{{x}}",
}

func (g *generator) text() string {
	switch g.IntN(4) {
	case 0:
		return pick(g, nasty)
	case 1:
		b := make([]byte, g.IntN(20))
		for i := range b {
			b[i] = byte(g.IntN(256))
		}
		return string(b)
	}
	return pick(g, g.values.list)
}

// request makes the text of a request; whole is false if its body lacks an end.
func (g *generator) request() (text string, route app.RouteRow, whole bool) {
	route = pick(g, g.routes)
	path, action, _ := strings.Cut(route.Path, "#")
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: cloud.test\r\n", g.method(route.Method), g.target(route.Prefix+path))
	g.headers(&b)
	body := ""
	if route.Method != "GET" || g.chance(10) {
		body = g.body(path, action)
	}
	whole = true
	switch {
	case g.chance(5):
		fmt.Fprintf(&b, "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", max(len(body), 1), body+strings.Repeat(" ", max(0, 1-len(body))))
	case body != "" && g.IntN(1000) == 0:
		whole = false
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body)+1+g.IntN(100), body)
	case body != "":
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	default:
		b.WriteString("\r\n")
	}
	return b.String(), route, whole
}

func (g *generator) method(method string) string {
	if g.chance(85) {
		return method
	}
	return pick(g, []string{
		"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "MADE-UP", "PROPFIND", strings.Repeat("X", 300), fmt.Sprintf("M%d", g.Uint32()),
	})
}

var placeholder = regexp.MustCompile(`\{[^}]*\}`)

func (g *generator) target(path string) string {
	path = placeholder.ReplaceAllStringFunc(path, func(string) string {
		if g.chance(20) {
			return url.PathEscape(pick(g, nasty))
		}
		return url.PathEscape(g.text())
	})
	switch g.IntN(20) {
	case 0:
		path = strings.ReplaceAll(path, "/", "//")
	case 1:
		path += "/"
	case 2:
		path += pick(g, []string{".json", "/..", "/%2e%2e/x", "%", "%zz", "%ff", "%00", ";x=y", "/" + strings.Repeat("a/", 500)})
	case 3:
		path = path[:len(path)-g.IntN(len(path))]
	case 4:
		path = "http://elsewhere.test" + path
	}
	path = strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, path)
	if path == "" {
		path = "/"
	}
	if g.chance(40) {
		path += "?" + g.query()
	}
	return path
}

func (g *generator) query() string {
	var parts []string
	count := g.IntN(5)
	if g.chance(1) {
		count = 3000
	}
	for range count {
		part := url.QueryEscape(pick(g, g.names.list)) + "=" + url.QueryEscape(g.text())
		if g.chance(5) {
			part = pick(g, []string{"%zz", "a=%ff", "%00=1", "a;b", "=", "a[]=1", "a=%"})
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "&")
}

func (g *generator) headers(b *strings.Builder) {
	line := func(name, value string) {
		value = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return -1
			}
			return r
		}, value)
		fmt.Fprintf(b, "%s: %s\r\n", name, value)
	}
	switch {
	case g.chance(90):
		if token := pick(g, g.tokens); token != "" {
			line("X-Auth-Token", token)
		}
	default:
		line("X-Auth-Token", pick(g, []string{g.text(), "gAAAA" + strings.Repeat("A", 200), strings.Repeat("t", 20000)}))
	}
	if g.chance(60) {
		version := pick(g, []string{
			"compute latest", "placement latest", fmt.Sprintf("compute 2.%d", g.IntN(101)), fmt.Sprintf("placement 1.%d", g.IntN(40)),
			"compute 2.9999999999", "compute", "compute 2.1, placement 1.10", g.text(),
		})
		line("OpenStack-API-Version", version)
	}
	for range g.IntN(4) {
		switch g.IntN(8) {
		case 0:
			line("Content-Type", pick(g, []string{"application/json", "text/plain", "application/octet-stream", "application/openstack-images-v2.1-json-patch", "multipart/form-data", g.text()}))
		case 1:
			line("Accept", pick(g, []string{"*/*", "application/json", "text/html", "application/json-home", g.text()}))
		case 2:
			line("Accept-Encoding", pick(g, []string{"gzip", "gzip;q=0", "*", "br", g.text()}))
		case 3:
			line("Range", pick(g, []string{"bytes=0-1", "bytes=-1", "bytes=9-1", "bytes=0-1,3-4", g.text()}))
		case 4:
			line(pick(g, []string{"X-Subject-Token", "X-Service-Token", "X-Openstack-Request-Id", "Authorization", "If-Match", "Cookie", "X-Image-Meta-Store", "Forwarded", "X-Forwarded-Host"}), g.text())
		case 5:
			line("X-"+pick(g, g.names.list), strings.Repeat("h", g.IntN(9000)))
		case 6:
			line("X-Subject-Token", pick(g, g.tokens))
		case 7:
			line("Connection", pick(g, []string{"close", "keep-alive", "Upgrade"}))
		}
	}
}

// body makes what a client might send to a path, or something else.
func (g *generator) body(path, action string) string {
	switch {
	case g.chance(3):
		return pick(g, []string{
			"", "{", "[", "null", "0", `"`, "{}", "[]", strings.Repeat("[", 100000), strings.Repeat(`{"a":`, 5000), `{"a":1}{"b":2}`, "\xff\xfe", "\x1f\x8b\x08\x00",
			`{"a":"\ud800"}`, `{"a":"\u0000"}`, `{"a":1e400}`, `{"a":-0}`, strings.Repeat(" ", 200000), `{"` + strings.Repeat("k", 100000) + `":1}`,
		})
	case g.chance(3):
		return g.text()
	}
	word := action
	if word == "" {
		segs := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
		for i := len(segs) - 1; i >= 0; i-- {
			if word = segs[i]; !strings.HasPrefix(word, "{") {
				break
			}
		}
		word = strings.ReplaceAll(word, "-", "_")
		if g.chance(85) {
			word = strings.TrimSuffix(word, "s")
		}
	}
	v := any(map[string]any{word: g.value(0)})
	if g.chance(10) {
		v = g.value(0)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "{}"
	}
	return string(text)
}

func (g *generator) value(depth int) any {
	kind := g.IntN(10)
	if depth == 0 && kind > 2 {
		kind = 0
	}
	if depth > 4 && kind < 3 {
		kind = 5
	}
	switch kind {
	case 0, 1:
		m := map[string]any{}
		for range g.IntN(7) {
			m[pick(g, g.names.list)] = g.value(depth + 1)
		}
		return m
	case 2:
		list := []any{}
		for range g.IntN(4) {
			list = append(list, g.value(depth+1))
		}
		return list
	case 3:
		return g.chance(50)
	case 4:
		return pick(g, []any{nil, 0, -1, 1, 65536, int64(1) << 40, int64(-1) << 62, 1.5, json.Number("1e300"), json.Number("99999999999999999999999")})
	}
	return g.text()
}

// learn keeps names and values of an answer for later requests.
func (g *generator) learn(answer []byte) {
	var v any
	if len(answer) > 64<<10 || json.Unmarshal(answer, &v) != nil {
		return
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, name := range sortedKeys(v) {
				if len(name) < 64 {
					g.names.add(name)
				}
				walk(v[name])
			}
		case []any:
			for _, x := range v[:min(len(v), 3)] {
				walk(x)
			}
		case string:
			if len(v) < 64 && !strings.ContainsAny(v, " /") {
				g.values.add(v)
			}
			for _, m := range quoted.FindAllStringSubmatch(v, 5) { // "'name' is a required property"
				g.names.add(m[1])
			}
		}
	}
	walk(v)
}

var quoted = regexp.MustCompile(`'([a-zA-Z][a-zA-Z0-9_:-]{1,40})'`)

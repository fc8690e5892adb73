package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/store"
)

func request(query string) *httpx.Request {
	q, err := url.ParseQuery(query)
	if err != nil {
		panic(err)
	}
	return &httpx.Request{HTTP: httptest.NewRequest(http.MethodGet, "/?"+query, nil), Query: q}
}

func TestListQuery(t *testing.T) {
	t.Parallel()
	number := func(text string) (any, error) { return json.Number(text).Int64() }
	fields := []Field{{Name: "name"}, {Name: "size", At: "bytes", Read: number}, {Name: "tag", NoSort: true}}
	nova := List{Dialect: &Dialect{Page: 10, Most: 20, Zero: ZeroIsNone, Down: true}, Fields: fields, Everyone: "all_projects"}
	neutron := List{Dialect: &Dialect{AnyValue: true, Infinite: "infinite", Reverse: "page_reverse", SamePairs: true, Ties: []store.Sort{{Field: "id"}}}, Fields: fields, Sort: []store.Sort{{Field: "age"}}}
	glance := List{Dialect: &Dialect{Sorting: SortWords, LostMarker: true, Operator: func(name, value string) (string, store.Op, string) {
		if rest, ok := strings.CutPrefix(value, "gt:"); ok {
			return name, store.Greater, rest
		}
		return name, store.Equal, value
	}}, Fields: fields}
	offset := List{Dialect: &Dialect{Sorting: SortNever, Unknown: func(_ *httpx.Request, names []string) error {
		return errs.New(errs.Invalid, "unknown %v", names)
	}}, ByOffset: true}
	for _, x := range []struct {
		list        *List
		query, want string
	}{
		{&nova, "", "limit 10"},
		{&nova, "limit=0", "limit -1"},
		{&nova, "limit=99&marker=m&all_projects=1&colour=red", "limit 20 marker m everyone"},
		{&nova, "sort_key=name&sort_key=size&sort_dir=asc", "limit 10 sort [{name false} {bytes true}]"},
		{&nova, "limit=x", "error limit must be a non-negative integer"},
		{&nova, "sort_key=tag", "error tag is not a valid sort key"},
		{&neutron, "size=1&size=2&limit=infinite", "limit 0 where bytes in [1 2] sort [{age false}]"},
		{&neutron, "name=a&page_reverse=True&sort_key=name&sort_dir=desc", "limit 0 reverse where name  a sort [{name true} {id false}]"},
		{&neutron, "sort_dir=desc", "error Number of sort dirs"},
		{&neutron, "sort_key=name&sort_dir=up", "error Unknown sort direction"},
		{&neutron, "size=big", "error"},
		{&glance, "size=gt:5&sort=name:asc,size:desc", "limit 0 where bytes gt 5 sort [{name false} {bytes true}]"},
		{&glance, "sort=name&sort_key=size", "error Old and new sorting syntax"},
		{&offset, "limit=3&offset=2", "limit 3 offset 2"},
		{&offset, "offset=-1", "error Invalid input for query parameters offset"},
		{&offset, "marker=a&sort_key=b", "error unknown [marker sort_key]"},
	} {
		q, err := x.list.Query(request(x.query))
		got := said(q)
		if err != nil {
			got = "error " + err.Error()
		}
		if got != x.want && (err == nil || !strings.HasPrefix(got, x.want)) {
			t.Errorf("%q: %s, want %s", x.query, got, x.want)
		}
	}
}

// said is a query in words.
func said(q store.Query) string {
	out := fmt.Sprint("limit ", q.Limit)
	for word, there := range map[string]bool{" everyone": q.Everyone, " reverse": q.Reverse, " marker " + q.Marker: q.Marker != "", fmt.Sprint(" offset ", q.Offset): q.Offset > 0} {
		if there && word != " everyone" {
			out += word
		}
	}
	if q.Everyone {
		out += " everyone"
	}
	for _, c := range q.Where {
		out += fmt.Sprint(" where ", c.Field, " ", string(c.Op), " ", c.Value)
	}
	if len(q.Sort) > 0 {
		out += fmt.Sprint(" sort ", q.Sort)
	}
	return out
}

type thing struct {
	Name   string
	Size   int
	On     bool
	Secret string
}

func text(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("'%v' is not a valid string", v)
	}
	return s, nil
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	as := NewAttributes(
		Attr("name", Both, "", text, func(v *thing) *string { return &v.Name }).Needed().By("name"),
		Attr("on", Post, true, func(v any) (bool, error) { b, ok := v.(bool); return b, map[bool]error{false: fmt.Errorf("no")}[ok] }, func(v *thing) *bool { return &v.On }),
		Attr("secret", Both, Unset, text, func(v *thing) *string { return &v.Secret }).Guarded("see"),
		ReadOnly[thing]("size", func(w *Writer, key string, v *thing) { w.Int(key, int64(v.Size)) }),
	)
	for want, x := range map[string]struct {
		in     Verb
		object map[string]any
	}{
		"Unrecognized attribute(s) 'a', 'b'":                         {Post, map[string]any{"b": 1, "a": 2}},
		"Required attribute 'name' not specified":                    {Post, map[string]any{}},
		"Attribute 'on' not allowed in PUT":                          {Put, map[string]any{"on": true}},
		"Attribute 'size' not allowed in POST":                       {Post, map[string]any{"name": "n", "size": 1}},
		"Invalid input for name. Reason: '1' is not a valid string.": {Post, map[string]any{"name": 1}},
	} {
		if _, err := as.Patch(x.object, x.in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", x.object, err, want)
		}
	}
	p, err := as.Patch(map[string]any{"name": "n", "on": true, "secret": "s"}, Post)
	if err != nil || fmt.Sprint(p.Named) != "[name secret]" { // on is plain
		t.Fatalf("named %v, %v", p.Named, err)
	}
	v := &thing{Size: 7}
	if err := p.To(v); err != nil {
		t.Fatal(err)
	}
	for want, x := range map[string]struct {
		fields []string
		sees   bool
	}{
		`{"name":"n","on":true,"secret":"s","size":7}`: {nil, true},
		`{"name":"n","on":true,"size":7}`:              {nil, false},
		`{"size":7}`:                                   {[]string{"size", "secret"}, false},
	} {
		w := NewWriter()
		w.Object("", func() { as.View(x.fields, func(string) bool { return x.sees })(w, v) })
		if string(w.Bytes()) != want {
			t.Errorf("%v: %s, want %s", x.fields, w.Bytes(), want)
		}
	}
}

func TestWriterIsJSON(t *testing.T) {
	t.Parallel()
	w, n, name := NewWriter(), int64(3), "x"
	w.Object("", func() {
		w.Text("text", "a\"<\u2028")
		w.TextOrNull("none", "")
		w.TextPointer("pointer", &name)
		w.Texts("texts", nil)
		w.IntPointer("int", &n)
		w.IntPointer("nothing", nil)
		w.Time("at", time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), MicrosZ)
		w.Time("never", time.Time{}, Seconds)
		w.Any("any", map[string]any{"b": []int{1}})
		w.Any("bad", func() {})
		w.List("links", func() { w.Link("self", "u"); w.Link("next", "v") })
	})
	want := `{"text":"a\"\u003c\u2028","none":null,"pointer":"x","texts":[],"int":3,"nothing":null,"at":"2026-01-02T03:04:05.000006Z",` +
		`"never":null,"any":{"b":[1]},"bad":null,"links":[{"rel":"self","href":"u"},{"rel":"next","href":"v"}]}`
	if got := string(w.Bytes()); got != want || !json.Valid(w.Bytes()) {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestLenientValues(t *testing.T) {
	t.Parallel()
	var b struct {
		N       Int
		On      Bool
		T, U    Text
		A, B, C change.Optional[Int]
	}
	if err := json.Unmarshal([]byte(`{"n": "12", "on": "yes", "t": 5, "u": "x", "a": null, "b": "3"}`), &b); err != nil {
		t.Fatal(err)
	}
	if b.N != 12 || !bool(b.On) || b.T != "5" || b.U != "x" || !b.A.Set || !b.A.Null || b.B.Value != 3 || b.C.Set {
		t.Errorf("%+v", b)
	}
	for _, bad := range []string{`{"n": "1x"}`, `{"on": "perhaps"}`, `{"b": true}`} {
		if err := json.Unmarshal([]byte(bad), &b); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	p := &b.N
	b.A.IntoPointer(&p)
	if p != nil {
		t.Error("null leaves a value")
	}
}

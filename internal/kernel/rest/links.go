package rest

import (
	"regexp"

	"kumoi/internal/kernel/httpx"
)

// NeutronLinks are a page's neighbours, where a page was asked for.
func NeutronLinks(w *Writer, r *httpx.Request, key string, p Part) {
	if p.Limit == 0 {
		return
	}
	full := p.Rows == p.Limit
	w.List(key+"_links", func() {
		if full || p.Reverse {
			w.Link("next", r.PageURL(map[string]string{"marker": p.Last, "page_reverse": ""}))
		}
		if full || !p.Reverse {
			w.Link("previous", r.PageURL(map[string]string{"marker": p.First, "page_reverse": "True"}))
		}
	})
}

// NovaLinks lead to the next page, if there is one.
func NovaLinks(w *Writer, r *httpx.Request, key string, p Part) {
	if p.More {
		w.List(key+"_links", func() { w.Link("next", r.PageURL(map[string]string{"marker": p.Last})) })
	}
}

// KeystoneLinks are there for every list; a cloud's own limit says truncated.
func KeystoneLinks(w *Writer, r *httpx.Request, _ string, p Part) {
	w.Object("links", func() {
		w.Text("self", r.PageURL(nil))
		w.Null("previous")
		if p.More && r.Query.Get("limit") != "" {
			w.Text("next", r.PageURL(map[string]string{"marker": p.Last}))
		} else {
			w.Null("next")
		}
	})
	if p.Truncated {
		w.Bool("truncated", true)
	}
}

// GlanceLinks are paths without the cloud's address; schema describes the list.
// A page that is full has a next one, which may turn out to be empty.
func GlanceLinks(schema string) func(w *Writer, r *httpx.Request, key string, p Part) {
	return func(w *Writer, r *httpx.Request, _ string, p Part) {
		link := func(key, marker string) {
			q := r.HTTP.URL.Query()
			if q.Del("marker"); marker != "" {
				q.Set("marker", marker)
			}
			path := placeholder.ReplaceAllStringFunc(r.Route.Path, func(p string) string { return r.Var(p[1 : len(p)-1]) })
			if text := q.Encode(); text != "" {
				path += "?" + text
			}
			w.Text(key, path)
		}
		w.Text("schema", schema)
		link("first", "")
		if p.Rows > 0 && p.Rows == p.Limit {
			link("next", p.Last)
		}
	}
}

var placeholder = regexp.MustCompile(`\{\w+\}`)

package api

import (
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

// fault writes an error as Glance does: a small HTML page, or JSON for those
// who accept nothing else.
func fault(w http.ResponseWriter, r *http.Request, status int, e *errs.Error, _ string) {
	title := http.StatusText(status)
	line := fmt.Sprintf("%d %s", status, title)
	accept := r.Header.Get("Accept")
	if strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html") {
		httpx.WriteJSON(w, status, map[string]any{
			"message": html.EscapeString(e.Msg) + "<br /><br />\n\n\n", "code": line, "title": title,
		})
		return
	}
	body := "<html>\n <head>\n  <title>" + line + "</title>\n </head>\n <body>\n  <h1>" + line + "</h1>\n  " +
		html.EscapeString(e.Msg) + "<br /><br />\n\n\n </body>\n</html>"
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

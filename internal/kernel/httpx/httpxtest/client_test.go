package httpxtest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"kumoi/internal/kernel/httpx"
)

func TestClient(t *testing.T) {
	t.Parallel()
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		httpx.WriteJSON(w, 202, Object{"list": []any{Object{"id": "1"}, Object{"id": "2"}}, "a.b": Object{"c": r.Header.Get("X-Auth-Token")}, "body": string(body)})
	})
	server := httptest.NewServer(echo)
	defer server.Close()
	for _, c := range []Client{New(t, server.URL), Direct(t, echo, "/x")} {
		a := c.As("me").Want(202, "POST", "/y", Object{"n": 1})
		if a.Text("a.b.c") != "me" || len(a.Object()) != 3 || a.Text("list.1.id") != "2" || a.Get("list.2.id") != nil || a.Get("list.x") != nil || a.Get("none.x") != nil {
			t.Errorf("%s", a.Raw)
		}
		a.Same("list", `[{"id":"1"},{"id":"2"}]`)
		a.Same("body", `"{\"n\":1}"`)
		if ids := a.IDs("list"); len(ids) != 2 || ids[1] != "2" {
			t.Errorf("%v", ids)
		}
		if c.Token() != "" {
			t.Error("As changed the client itself")
		}
	}
}

package api

import (
	"context"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/volume/message"
)

// messageRoutes are /messages.
func (a *api) messageRoutes() []httpx.Route {
	c := rest.Resource[message.Message, struct{}, struct{}]{
		Path: "/v3/messages", Item: "message_id", One: "message", Many: "messages", Query: messageList, View: viewMessage,
		Rule: func(verb string) string { return "message:" + getAll(verb) },
		Show: a.svc.Messages.Show, Delete: a.svc.Messages.Delete, ID: func(m *message.Message) string { return m.ID },
	}
	return allSince(3, append(c.Routes(), route("GET", c.Path, c.Rule("list"), lists(&c, a.svc.Messages.List))))
}

// messageList is what lists of messages can be asked, since 3.5.
var messageList = &rest.List{
	Dialect: under("messages", "Message", unknown), Also: everywhere, Sort: newestFirst,
	Paged: func(r *httpx.Request) bool { return r.AtLeast(3, 5) },
	Fields: []rest.Field{
		{Name: "resource_uuid", Since: 5},
		{Name: "resource_type", Since: 5},
		{Name: "event_id", Since: 5},
		{Name: "request_id", Since: 5},
		{Name: "message_level", Since: 5},
		{Name: "id", Since: 5},
		{Name: "project_id", Since: 5, NoSort: true},
		sorted("created_at"),
		{Name: "guaranteed_until", At: "expires_at", NoFilter: true},
	},
}

func viewMessage(_ context.Context, r *httpx.Request, _ []*message.Message) (func(*rest.Writer, *message.Message), error) {
	return func(w *rest.Writer, m *message.Message) {
		w.Text("id", m.ID)
		w.Text("event_id", m.Event)
		w.Text("user_message", m.Text())
		w.Text("message_level", m.Level)
		w.Time("created_at", m.CreatedAt, rest.Micros)
		w.Time("guaranteed_until", m.ExpiresAt, rest.Micros)
		w.TextOrNull("request_id", m.RequestID)
		w.Any("links", selfLinks(r, "messages", m.ID))
		if m.ResourceType != "" {
			w.Text("resource_type", m.ResourceType)
		}
		if m.ResourceID != "" {
			w.Text("resource_uuid", m.ResourceID)
		}
	}, nil
}

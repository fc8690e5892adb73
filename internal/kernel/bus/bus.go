// Package bus carries requests and events between the control plane and the
// hosts. It is NATS, embedded in the process: the control plane connects in
// memory, hosts dial in over TCP with credentials of their own.
//
// The bus wakes and transports; it is never where the truth lives. A message
// may be lost with a connection, so whoever sends one can send it again:
// requests fail as Unavailable, events are repeated by their source.
//
// # Subjects
//
// A host is not trusted with another's business. What it may use:
//
//	kumoi.host.<host>.>      subscribe  requests from the control plane
//	kumoi.report.<host>.>    publish    events to the control plane
//	kumoi.control.<host>.>   publish    requests to the control plane
//	_INBOX_<host>.>          subscribe  answers to its own requests
//
// and the reply subject of each request that it received. The control plane
// may use everything. Since a host's name is part of what it publishes
// to, HostOf(m.Subject) tells for certain who sent a report.
//
// # Bodies and errors
//
// Bodies are JSON, except that []byte passes as it is (up to MaxPayload). An
// errs.Error returned by a handler reaches the requester with its kind, message
// and code. A request that nobody answers fails with errs.Unavailable.
package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"kumoi/internal/kernel/errs"
)

// MaxPayload is the largest body: a 1 MiB chunk of an image, and room to spare.
const MaxPayload = 2 << 20

// Conn is a connection to the bus. It is safe for concurrent use.
type Conn interface {
	// Request sends in to whoever handles the subject and decodes the answer
	// into out, which may be nil. It waits until ctx ends, or for 30 seconds
	// if ctx sets no deadline; the handler's context ends at the same time. A
	// handler whose process dies is noticed after some 15 seconds.
	Request(ctx context.Context, subject string, in, out any) error

	// Publish sends v to all who subscribe to the subject, if anybody does.
	// It fails with Unavailable while the connection is away.
	Publish(ctx context.Context, subject string, v any) error

	// Handle answers requests to the subject, which may hold wildcards, with
	// what h returns. Several calls of h run at the same time. Of all that
	// handle under one queue name, one gets each request.
	Handle(subject, queue string, h func(ctx context.Context, m *Msg) (any, error)) (Subscription, error)

	// Subscribe receives events, one after the other and in the order in which
	// their publisher sent them. With a queue name, one of the queue gets each.
	Subscribe(subject, queue string, h func(ctx context.Context, m *Msg)) (Subscription, error)

	// Close ends all subscriptions, cancels the context of handlers that are
	// still running and waits for them.
	Close() error
}

// Subscription is what Handle and Subscribe have set up.
type Subscription interface {
	// Unsubscribe stops the delivery; handlers that run already go on.
	Unsubscribe() error
}

// Msg is a received message.
type Msg struct {
	Subject string
	Data    []byte
}

// Decode reads the body into v: JSON, or the bytes themselves if v is a *[]byte.
func (m *Msg) Decode(v any) error {
	if err := decode(m.Data, v); err != nil {
		return errs.Wrap(errs.Invalid, err, "The message on %s cannot be read.", m.Subject)
	}
	return nil
}

func encode(v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []byte:
		return v, nil
	}
	return json.Marshal(v)
}

func decode(data []byte, v any) error {
	switch v := v.(type) {
	case nil:
		return nil
	case *[]byte:
		*v = data
		return nil
	}
	if len(data) == 0 { // a handler returned nil: leave v as it is
		return nil
	}
	return json.Unmarshal(data, v)
}

// HostSubject is where the host takes requests of the verb.
func HostSubject(host, verb string) string { return "kumoi.host." + Token(host) + "." + verb }

// ReportSubject is where the host publishes events of the verb.
func ReportSubject(host, verb string) string { return "kumoi.report." + Token(host) + "." + verb }

// ControlSubject is where the host sends the control plane its own requests of
// the verb. The control plane handles AnyControl of the verb.
func ControlSubject(host, verb string) string { return "kumoi.control." + Token(host) + "." + verb }

// AnyReport matches the verb's reports from every host.
func AnyReport(verb string) string { return "kumoi.report.*." + verb }

// AnyControl matches the verb's requests from every host.
func AnyControl(verb string) string { return "kumoi.control.*." + verb }

// HostOf tells which host a subject of this package belongs to; empty if none.
func HostOf(subject string) string {
	parts := strings.SplitN(subject, ".", 4)
	if len(parts) < 4 || parts[0] != "kumoi" {
		return ""
	}
	return tokenDecoder.Replace(parts[2])
}

// Token writes a host's name as one token of a subject. Names with dots, such
// as FQDNs, must not reach into the subjects of shorter names.
func Token(host string) string { return tokenEncoder.Replace(host) }

var (
	tokenEncoder = strings.NewReplacer("%", "%25", ".", "%2E")
	tokenDecoder = strings.NewReplacer("%25", "%", "%2E", ".")
)

// checkHost refuses names that could reach beyond their own subjects.
func checkHost(name string) error {
	if name == "" || len(name) > 253 {
		return errs.New(errs.Invalid, "A host's name has 1 to 253 characters.")
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
		default:
			return errs.New(errs.Invalid, "Host name %q: letters, digits, '-', '_' and '.' are allowed, not %q.", name, fmt.Sprintf("%c", r))
		}
	}
	return nil
}

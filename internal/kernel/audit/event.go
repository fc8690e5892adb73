package audit

import (
	"context"
	"net"
	"strings"
	"time"

	"kumoi/internal/kernel/actor"
)

// Words of the CADF taxonomy.
const (
	TypeURI  = "http://schemas.dmtf.org/cloud/audit/1.0/event"
	Activity = "activity"

	Success = "success"
	Failure = "failure"

	// UserType is the type of an initiator who has a token.
	UserType = "service/security/account/user"
	// OperatorType is the type of an initiator that is a part of Kumoi itself,
	// such as its command line on the machine.
	OperatorType = "service/oss"

	unknown = "unknown"
)

// timeForm is how eventTime is written, as pycadf does.
const timeForm = "2006-01-02T15:04:05.000000-0700"

// Event is one CADF event (DMTF DSP0262). It never holds a secret.
type Event struct {
	TypeURI   string   `json:"typeURI"`
	EventType string   `json:"eventType"`
	ID        string   `json:"id"`
	EventTime string   `json:"eventTime"`
	Action    string   `json:"action"`
	Outcome   string   `json:"outcome"`
	Reason    *Reason  `json:"reason,omitempty"`
	Initiator Resource `json:"initiator"`
	Target    Resource `json:"target"`
	Observer  Resource `json:"observer"`
	// RequestPath is the path that was called, without its query.
	RequestPath string         `json:"requestPath,omitempty"`
	Attachments map[string]any `json:"attachments,omitempty"`
}

// Reason says why an activity had its outcome.
type Reason struct {
	ReasonType string `json:"reasonType"`
	ReasonCode string `json:"reasonCode"`
}

// Resource is a party of an event: who did it, to what, and who noticed.
type Resource struct {
	ID      string `json:"id"`
	TypeURI string `json:"typeURI"`
	Name    string `json:"name,omitempty"`
	Host    *Host  `json:"host,omitempty"`
	// What OpenStack adds to an initiator.
	Credential      *Credential `json:"credential,omitempty"`
	UserID          string      `json:"user_id,omitempty"`
	Username        string      `json:"username,omitempty"`
	ProjectID       string      `json:"project_id,omitempty"`
	DomainID        string      `json:"domain_id,omitempty"`
	RequestID       string      `json:"request_id,omitempty"`
	GlobalRequestID string      `json:"global_request_id,omitempty"`
}

// Host is where an initiator came from.
type Host struct {
	Address string `json:"address,omitempty"`
	Agent   string `json:"agent,omitempty"`
}

// Credential names what an initiator acted with, if it was delegated to him.
type Credential struct {
	Type string `json:"type"` // application_credential, trust, access_token
	ID   string `json:"id"`
}

// Service is the service whose event this is: "identity", "compute".
func (e *Event) Service() string { return e.Observer.Name }

// Initiator is the context's actor as a party of events.
func Initiator(ctx context.Context) Resource {
	a := actor.From(ctx)
	r := Resource{ID: a.UserID, TypeURI: UserType, RequestID: a.RequestID, GlobalRequestID: a.GlobalRequestID}
	switch {
	case a.System != "":
		r.ID, r.TypeURI, r.Name = "kumoi/"+a.System, OperatorType, a.System
	case a.UserID != "":
		r.Name, r.UserID, r.Username, r.ProjectID, r.DomainID = a.UserName, a.UserID, a.UserName, a.ProjectID, a.DomainID
	default:
		r.ID = unknown
	}
	switch {
	case a.AppCredentialID != "":
		r.Credential = &Credential{"application_credential", a.AppCredentialID}
	case a.TrustID != "":
		r.Credential = &Credential{"trust", a.TrustID}
	case a.AccessTokenID != "":
		r.Credential = &Credential{"access_token", a.AccessTokenID}
	}
	if a.RemoteAddr != "" {
		r.Host = &Host{Address: address(a.RemoteAddr)}
	}
	return r
}

// address is a client's address without its port.
func address(remote string) string {
	if host, _, err := net.SplitHostPort(remote); err == nil {
		return host
	}
	return remote
}

// complete fills in what every event has.
func (e *Event) complete(ctx context.Context, id string, at time.Time, host string) {
	e.TypeURI, e.EventType, e.ID = TypeURI, Activity, id
	e.EventTime = at.UTC().Format(timeForm)
	if e.Outcome == "" {
		e.Outcome = Success
	}
	if e.Initiator.TypeURI == "" {
		e.Initiator = Initiator(ctx)
	}
	if e.Initiator.ID == "" {
		e.Initiator.ID = unknown
	}
	if e.Target.ID == "" {
		e.Target.ID = unknown
	}
	e.Observer = observer(e.Observer.Name, host)
	e.bound()
}

// bound cuts what a stranger may have written.
func (e *Event) bound() {
	for _, text := range []*string{
		&e.RequestPath, &e.Initiator.ID, &e.Initiator.Name, &e.Initiator.UserID, &e.Initiator.Username, &e.Target.ID, &e.Target.Name,
	} {
		*text = cut(*text)
	}
	if e.Reason != nil {
		e.Reason.ReasonType = cut(e.Reason.ReasonType)
	}
	for name, value := range e.Attachments {
		if text, ok := value.(string); ok {
			e.Attachments[name] = cut(text)
		}
	}
}

// observer is the service that noticed, on this host.
func observer(service, host string) Resource {
	kinds := map[string]string{"identity": "security", "image": "storage/image"}
	kind, ok := kinds[service]
	if !ok {
		kind = service
	}
	return Resource{ID: service + "@" + host, TypeURI: "service/" + kind, Name: service}
}

func cut(s string) string {
	const most = 255
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "?")
}

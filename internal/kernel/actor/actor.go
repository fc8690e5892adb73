// Package actor says on whose behalf something is done. The HTTP gateway puts
// the token's actor into the context; upkeep runs as a named system actor.
package actor

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Actor is the authenticated party of a request, and the scope it acts in.
type Actor struct {
	UserID, UserName             string
	UserDomainID, UserDomainName string
	ProjectID, ProjectName       string
	ProjectDomainID              string
	ProjectDomainName            string
	DomainID, DomainName         string // domain scope
	SystemScope                  string // "all" or empty
	Roles                        []string
	RoleIDs                      []string
	ServiceRoles                 []string // of an accompanying X-Service-Token
	Methods                      []string // how the user logged in
	AuditIDs                     []string
	TrustID, TrustorID           string
	TrusteeID                    string
	AppCredentialID              string
	AppCredentialRestricted      bool
	AccessRules                  []AccessRule // of the application credential; nil: none bind
	AccessTokenID, ConsumerID    string       // OAuth1
	GroupIDs                     []string
	IsAdminProject               bool
	ExpiresAt                    time.Time
	RequestID, GlobalRequestID   string
	RemoteAddr                   string
	// System names the part of Kumoi itself that acts ("upkeep", "saga");
	// such an actor passes every policy. No token can produce it.
	System string
}

type key struct{}

// With returns a context that carries a.
func With(ctx context.Context, a *Actor) context.Context { return context.WithValue(ctx, key{}, a) }

// From returns the context's actor; an empty one, allowed nothing, if there is none.
func From(ctx context.Context) *Actor {
	if a, ok := ctx.Value(key{}).(*Actor); ok {
		return a
	}
	return &Actor{}
}

// AsSystem returns a context in which the named part of Kumoi acts itself.
func AsSystem(ctx context.Context, name string) context.Context {
	return With(ctx, &Actor{System: name, RequestID: From(ctx).RequestID})
}

// HasRole tells whether the actor has the role, compared without case as Keystone does.
func (a *Actor) HasRole(name string) bool {
	return slices.ContainsFunc(a.Roles, func(r string) bool { return strings.EqualFold(r, name) })
}

// Authenticated tells whether a token or Kumoi itself stands behind the actor.
func (a *Actor) Authenticated() bool { return a.UserID != "" || a.System != "" }

// EC2Method marks, among a token's methods, one that a key pair's signature got.
const EC2Method = "ec2credential"

// Delegated tells whether the token carries a part of somebody's rights - by an
// application credential, a trust, OAuth1 or a key pair - and not the person.
// Such a token must not touch what proves the person.
func (a *Actor) Delegated() bool {
	return a.AppCredentialID != "" || a.TrustID != "" || a.AccessTokenID != "" || slices.Contains(a.Methods, EC2Method)
}

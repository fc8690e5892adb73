// Package identity says who acts, in which scope and with which roles. It
// speaks Keystone's API (v3.14) and owns domains, projects, users, groups,
// roles, assignments, the service catalogue, credentials, trusts and limits.
//
// # Layers
//
// Package api unpacks requests and words answers; Service, here, checks the
// policy, then the rules of the domain, then writes once; package sqlstore is
// SQL alone. Each family has its use cases on a type of its own, reached as a
// field of Service.
// Families with tables of their own are packages: catalog, federation, limit and
// oauth1, which stand on package family and know nothing of Service.
//
// # Tokens
//
// A token is a sealed record (XChaCha20-Poly1305): user, scope, methods, times
// and audit ids. It is never stored. What it stands for now (is the user still
// enabled, which roles does he have) is resolved from the database once and
// remembered under tags ("user:ID", "project:ID", "roles"). Every change
// commits an event for the tags it touches; this process forgets at commit,
// other processes when they read the event, within a second. So a validation
// in the common case costs no query, and no change is overlooked.
//
// The same events carry revocations: "tokens of this tag issued until T are
// void". They are kept as long as such a token could live.
//
// # Audit
//
// Every change notes itself in the audit trail, in its own transaction
// (Service.noted), and every failed login does when it fails; see package
// audit. What a client is not told about a failed login stands there.
//
// # Secrets
//
// Passwords and the secrets of application credentials are hashed with
// argon2id; a password verified a moment ago is remembered for a short while
// as a MAC under a key that only this process knows. Keys that seal tokens,
// receipts and credentials live in the database, so that all servers share
// them, sealed with a master key that is not in the database.
package identity

// Package rest is what OpenStack's APIs have in common above HTTP, and what
// they differ in as data:
//
//   - Body and Schema: a request's body, checked against the schema of the
//     microversion it speaks and decoded into a struct, with OpenStack's lenient
//     Int, Bool and Text;
//   - Attributes: bodies, filters, orders and views from one declaration of each
//     attribute, for APIs that treat all their resources alike, as Neutron's does;
//   - List and Dialect: what a list's query string says, as a store.Query;
//   - Writer: answers, written as JSON without maps between;
//   - Times: how each API writes a time;
//   - Resource: the routes of an ordinary family (list, show, create, update,
//     delete) from its use cases.
//
// Envelopes of faults, and words that only one API has, are the service's own.
package rest

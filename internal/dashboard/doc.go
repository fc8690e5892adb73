// Package dashboard serves the web page: its files, which are in the binary, and
// the stream of hints that tells an open page what has changed.
//
// The page is a client of the public APIs like any other; nothing here answers
// what they do not. Its session, from which it takes tokens, is identity's. A hint
// says that something has changed and never what it has become: the page asks the
// API, where the policy is applied as always, so that the stream can tell at most
// an id, and tells those only to whom they may be of interest.
//
// Nothing of it is kept in the database. After a crash a page connects again and
// goes on at the place in the log of events that it has seen.
package dashboard

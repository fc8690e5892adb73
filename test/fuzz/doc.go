// Package fuzz sends malformed requests to the whole gateway of a cloud that
// runs in its process: every route of the real table, with methods, paths,
// queries, headers and bodies that no client would send, by nobody, by a member
// and by an administrator. Every request must be answered, and never with a
// fault of ours; what the cloud keeps in memory must not grow.
//
// Requests follow from KUMOI_FUZZ_SEED (1), one after the other;
// KUMOI_FUZZ_REQUESTS says how many (2000), or KUMOI_FUZZ_SECONDS for how long.
package fuzz

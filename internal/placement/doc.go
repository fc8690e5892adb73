// Package placement keeps the account of what every host has and what every
// consumer took of it, and decides where a new consumer fits.
//
// It owns resource providers, inventories, traits, aggregates, consumers and
// allocations, as OpenStack's placement service does, and serves its API.
// Kumoi's own compute goes through Claim: Decide, a pure function, ranks the
// hosts on what the transaction reads, and one conditional update per resource
// takes the room, so that no interleaving of claims can oversubscribe a host:
//
//	UPDATE … SET used = used + n WHERE … AND used + n <= (total - reserved) * ratio
//
// Invariants: an inventory's "used" is the sum of the allocations against it;
// every write of a provider's inventories or of allocations against it raises
// the provider's generation.
package placement

// Package compute is OpenStack's compute service (Nova): servers, flavors, key
// pairs, server groups, host aggregates, quotas and the hosts themselves.
//
// # What it owns
//
// A server's wish: which flavor, image, ports and power state it should have.
// The host that runs the guest owns what is observed (power, faults) and says
// so in reports; compute never guesses. Ports belong to the network service,
// claims on hosts to placement, image bytes to the image service; compute holds
// their ids and asks through the interfaces of deps.go.
//
// # Families
//
// Service has its use cases by what they are about, each family a type and a
// field of Service: Service.Servers.Create, Service.Moves.Resize. What families
// have in common is in core, what several of them do in parts (families.go).
// Flavors, key pairs, server groups and aggregates have tables of their own and
// little to do with the rest: they are packages below this one.
//
// # State machine
//
// A server has three states. VMState is what the owner was promised (active,
// stopped, paused …), TaskState is what is being done about it right now (empty
// when nothing is), PowerState is what the host saw last. Clients see a status
// computed from the first two. Which action is allowed in which state is one
// table, in server_actions.go.
//
// Whatever takes time is a saga, started in the same transaction that sets the
// task state. A server has at most one saga at a time: a second action finds a
// task state and gets a conflict. Deleting is the exception: it cancels a saga
// in progress, which then unwinds, and the deletion follows.
//
// # Invariants
//
//   - Every change of what a host should do raises the server's Generation; a
//     host refuses an older one.
//   - A server whose host is set has a claim in placement for that host.
//   - A deleted server keeps its row (usage is computed from it) and nothing else.
//
// The API is Nova's v2.1 with microversions up to api.MaxVersion.
package compute

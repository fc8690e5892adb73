// Package saga runs operations that take time, cross services and must end
// well or be undone: making a server, moving it, taking it away.
//
// A saga is a list of named steps over a struct of variables S. Each step has
// a Do, "ensure that it is so", and may have an Undo, "ensure that it is not".
// Both may run any number of times and must work from ids that exist before
// the first step. What a Do finds out it writes into S.
//
// # States
//
//	running   → done       all steps are done
//	running   → unwinding  a step failed, or the saga was cancelled
//	unwinding → undone     all steps that had begun are undone, the failed one too
//	unwinding → running    after saga.Retry: undone down to a step, then forward again
//	unwinding → stuck      an undo failed; an operator looks at it
//	stuck     → unwinding  the operator says retry
//	any       → abandoned  the operator says so; what is left over is left over
//
// # What holds after a crash
//
// Start writes the saga in the caller's transaction: either the request and
// its saga exist or neither. Every later event is one transaction too, which
// says that a step has ended, with S as it is then, and that the next has
// begun. So after a crash
//
//   - a step whose end is recorded never runs forward again, unless a Retry goes back over it;
//   - the step that had begun runs again, with S as it was before;
//   - nothing that came later has begun;
//   - what a step noted (see Note) is written if, and only if, its end is.
//
// The log is the truth: the position is always computed from the events (see
// cursor), in the same way by who wrote them and by who reads them later.
//
// # Who runs a saga
//
// An Engine holds a saga by a lease with a term. Each transaction checks the
// term, so an engine that lost its lease unnoticed cannot write any more. An
// engine takes over at boot what it held under the same Owner before, and by
// and by what others let expire. Within the process, Start hands the saga to
// its runner right after the commit: there is no polling on the way.
//
// Only errors of kind errs.Unavailable are tried again, a few times and with
// growing pauses, within the step's timeout. A panic is an Internal error. An
// undo that fails for good leaves the saga stuck, never silently undone.
//
// # Format on disk
//
// Step names and the JSON of S are stored. A change to either needs a new
// Version; keep the old definition registered until its sagas have ended. An
// engine refuses to open while there are sagas that it does not know.
package saga

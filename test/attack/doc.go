// Package attack tries to get at what belongs to somebody else.
//
// A cloud runs in the process, with two tenants who have one of every resource
// (the table in resources_test.go) and a dozen personas who have no business
// with the first one's: members, readers and managers of elsewhere, tokens by
// every kind of delegation, nobody, and readers of the victim's own project.
// From the cloud's route table and that table the tests derive:
//
//   - TestCrossTenant: every route that takes an id, with the victim's, by every
//     persona. It is refused, changes nothing and tells nothing. A route whose
//     id the table cannot name fails.
//   - TestLists: every list, with every filter that might widen it.
//   - TestUseByID: the victim's id in the body of the attacker's own request.
//   - TestMassAssignment: attributes that are not the user's to set.
//
// A new service adds rows to the table and gets all of them.
package attack

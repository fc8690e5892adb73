package identity

import "strings"

// FoldName is a name as it is compared: users, groups, projects, domains, roles
// and application credentials whose names differ by case alone have the same.
func FoldName(name string) string { return strings.ToLower(strings.ToUpper(name)) }

// plainID is an id as a login may write it: people write "Default".
func plainID(id string) string {
	if strings.EqualFold(id, DefaultDomainID) {
		return DefaultDomainID
	}
	return id
}

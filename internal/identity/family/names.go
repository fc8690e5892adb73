package family

import "strings"

// FoldName is a name as it is compared: users, groups, projects, domains, roles
// and application credentials whose names differ by case alone have the same.
func FoldName(name string) string { return strings.ToLower(strings.ToUpper(name)) }

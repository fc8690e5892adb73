package sqlstore

import "strings"

// prefixed puts a table's alias before each of the columns.
func prefixed(alias, columns string) string {
	return alias + strings.ReplaceAll(columns, ", ", ", "+alias)
}

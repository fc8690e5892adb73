// Package sqlstore keeps the network's resources in tables: the columns that
// queries select by, and beside them the whole resource as one JSON document.
// An attribute that nothing selects by needs no migration.
package sqlstore

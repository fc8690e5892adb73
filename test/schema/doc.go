// Package schema keeps the tables of each service as text, beside its
// migrations: schema.sqlite.sql and schema.postgres.sql. They are what the
// migrations make, for people to read and for reviews to see changed.
package schema

// Package bench measures Kumoi from outside, through its REST API.
//
// What is measured is written once, as calls of a Client; "go test -bench"
// runs it against a cloud in the same process (for profiles), and the program
// in ./report against bin/kumoi, where it also weighs the process and, as root,
// walks the whole path with real guests. "make bench" prints the report's tables.
// Nothing here fails because something is slow.
package bench

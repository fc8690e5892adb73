// Package contract drives a cloud with the stock clients as people type them:
// transcripts in testdata, each a session with the commands, what they must
// answer, and a check that no subcommand of a client is left out.
//
// A transcript is read line by line:
//
//	# …        a comment
//	as NAME    go on as this user
//	$ COMMAND  must succeed
//	! COMMAND  must fail
//	? COMMAND  is repeated until it succeeds with the answer below it
//	~ REGEXP   the answer must match, blanks taken as one
//	= NAME     the answer becomes the variable $NAME; with a REGEXP after the
//	           name, what its first group matches
//
// Words of a command are split at blanks, and may be in single quotes.
package contract

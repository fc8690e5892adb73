// Package diskimage is all that Kumoi does with disk images that others made:
// what format they are, whether a tool may open them, and the tools themselves.
//
// Three rules hold everywhere:
//
//   - What a stranger uploads is judged by its content before any tool sees it
//     (Detect, Accept): the format by its signature, and whatever would have a
//     reader open another file, or make room for what is not there, is refused.
//   - What we keep is opened as our own record says, never as its content says:
//     a guest may write any header onto its disk. Formats and backing files are
//     always spelt out (Layer); a header's word about them is not asked.
//   - A tool runs in the sandbox: nobody's rights, no network, no sight of
//     any file but those it works on, and bounds on memory, time, processor
//     time, open files and the size of what it writes.
//
// Images, hosts and volumes use it; it knows none of them.
package diskimage

package configdrive

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// node is a file or a directory.
type node struct {
	name     string // as its owner knows it
	short    string // as ISO 9660 allows it
	parent   *node  // the root's is itself
	children []*node
	dir      bool
	data     []byte
	// Where the content is. A directory has two, one for each kind of names.
	extent [2]uint32
	size   [2]uint32
	number [2]int // of a directory in the path table, from 1
}

// buildTree makes a tree of files given by their paths.
func buildTree(files map[string][]byte) (*node, error) {
	root := &node{dir: true}
	root.parent = root
	for path, data := range files {
		parts := strings.Split(path, "/")
		at := root
		for i, name := range parts {
			if name == "" || name == "." || name == ".." || len(name) > 64 {
				return nil, fmt.Errorf("%q is no path for a file", path)
			}
			last := i == len(parts)-1
			next := at.child(name)
			switch {
			case next == nil:
				next = &node{name: name, parent: at, dir: !last}
				at.children = append(at.children, next)
			case last || !next.dir:
				return nil, fmt.Errorf("%q is a file and a directory", path)
			}
			at = next
		}
		at.data = data
	}
	root.walk(func(n *node) { n.settle() })
	return root, nil
}

func (n *node) child(name string) *node {
	i := slices.IndexFunc(n.children, func(c *node) bool { return c.name == name })
	if i < 0 {
		return nil
	}
	return n.children[i]
}

// settle orders a directory's children and gives them short names.
func (n *node) settle() {
	slices.SortFunc(n.children, func(a, b *node) int { return cmp.Compare(a.name, b.name) })
	taken := map[string]bool{}
	for _, c := range n.children {
		base := shorten(c.name)
		c.short = base
		for i := 1; taken[c.short]; i++ {
			c.short = fmt.Sprintf("%d_%s", i, base)
		}
		taken[c.short] = true
	}
}

// shorten keeps of a name what ISO 9660 allows: capitals, digits, underscores
// and one dot, thirty characters.
func shorten(name string) string {
	dot := strings.LastIndexByte(name, '.')
	var b strings.Builder
	for i := range min(len(name), 27) {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.' && i == dot && i > 0:
		default:
			c = '_'
		}
		b.WriteByte(c)
	}
	return b.String()
}

// walk visits all nodes, a directory before what is in it.
func (n *node) walk(f func(*node)) {
	f(n)
	for _, c := range n.children {
		c.walk(f)
	}
}

// directories lists all directories as a path table wants them: level by
// level, in the order of their parents.
func (n *node) directories() []*node {
	out := []*node{n}
	for i := 0; i < len(out); i++ {
		for _, c := range out[i].children {
			if c.dir {
				out = append(out, c)
			}
		}
	}
	return out
}

package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// fault is one small change of a file that a good test would see.
type fault struct {
	file       string
	line       int
	what       string
	from, to   int // bytes of the file
	substitute string
}

// apply returns the file's text with the fault in it.
func (f fault) apply(text []byte) []byte {
	return slices.Concat(text[:f.from], []byte(f.substitute), text[f.to:])
}

func (f fault) String() string { return fmt.Sprintf("%s:%d: %s", f.file, f.line, f.what) }

// turned says what a person might have written in place of an operator.
var turned = map[token.Token]string{
	token.EQL: "!=", token.NEQ: "==", token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">",
	token.LAND: "||", token.LOR: "&&", token.ADD: "-", token.SUB: "+",
}

// faultsOf finds every fault that can be put into a package's code, not its tests.
func faultsOf(dir string) ([]fault, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var out []fault
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		found, err := faultsIn(name, text)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

func faultsIn(name string, text []byte) ([]fault, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(file) {
		return nil, nil
	}
	var out []fault
	add := func(from, to token.Pos, substitute, what string) {
		p := set.Position(from)
		out = append(out, fault{name, p.Line, what, p.Offset, set.Position(to).Offset, substitute})
	}
	source := func(n ast.Node) string {
		return string(text[set.Position(n.Pos()).Offset:set.Position(n.End()).Offset])
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				to, ok := turned[n.Op]
				if text, isText := n.Y.(*ast.BasicLit); ok && (!isText || text.Kind != token.STRING || n.Op != token.ADD) {
					add(n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), to, fmt.Sprintf("%s became %s in %s", n.Op, to, source(n)))
				}
			case *ast.IfStmt:
				add(n.Cond.Pos(), n.Cond.End(), "!("+source(n.Cond)+")", "negated: if "+source(n.Cond))
			case *ast.BasicLit:
				if n.Kind == token.INT {
					add(n.Pos(), n.End(), "("+n.Value+" + 1)", n.Value+" became one more")
				}
			case *ast.ReturnStmt:
				if i := len(n.Results) - 1; i >= 0 {
					if id, ok := n.Results[i].(*ast.Ident); ok && id.Name == "err" {
						add(id.Pos(), id.End(), "nil", "the error is dropped: "+source(n))
					}
				}
			}
			return true
		})
	}
	return out, nil
}

package deptest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// mostMethods is how many methods a type may have: one with more has several subjects.
const mostMethods = 60

// crowded are types with more, and how many they may have until they are parted.
var crowded = map[string]int{
	"agent.Agent": 70, "hoststack.Stack": 75, "identity/api.handlers": 100,
	"volume/api.api": 170,
}

// A family of use cases, or of handlers, is a type of its own.
func TestNoTypeIsCrowded(t *testing.T) {
	t.Parallel()
	methods := map[string]int{}
	eachFunc(t, "../../internal", func(dir string, f *ast.FuncDecl) {
		if f.Recv == nil || len(f.Recv.List) == 0 {
			return
		}
		typ := f.Recv.List[0].Type
		if p, ok := typ.(*ast.StarExpr); ok {
			typ = p.X
		}
		if name, ok := typ.(*ast.Ident); ok {
			methods[dir+"."+name.Name]++
		}
	})
	if len(methods) < 500 {
		t.Fatalf("only %d types were found", len(methods))
	}
	for name, n := range methods {
		if most := max(mostMethods, crowded[name]); n > most {
			t.Errorf("%s has %d methods; at most %d: give each of its subjects a type of its own", name, n, most)
		}
	}
}

// What an actor may see is said by the use case: no handler asks the policy.
func TestHandlersDoNotAskThePolicy(t *testing.T) {
	t.Parallel()
	eachFunc(t, "../../internal", func(dir string, f *ast.FuncDecl) {
		if filepath.Base(dir) != "api" || f.Body == nil {
			return
		}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if s, ok := call.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Allowed" {
					t.Errorf("%s: %s asks the policy; have the use case say what may be shown", dir, f.Name.Name)
				}
			}
			return true
		})
	})
}

// eachFunc calls f with the functions below root, tests excluded, and their folder.
func eachFunc(t *testing.T, root string, f func(dir string, fn *ast.FuncDecl)) {
	t.Helper()
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		for _, decl := range file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok {
				f(filepath.ToSlash(dir), fn)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// fault is one small change of a file that a good test would see. It is woven into
// the code, asleep: code is put before and after an expression, and the number that
// the process is told says which fault wakes.
type fault struct {
	id       int // from 1
	file     string
	line     int
	what     string
	from, to int // the bytes of the expression
	open     string
	shut     string
	op       [2]int // the operator's bytes, where it is replaced as well
	middle   string
	needs    *types.TypeName // a type of another package that is named
}

func (f fault) String() string { return fmt.Sprintf("%s:%d: %s", f.file, f.line, f.what) }

// turned says what a person might have written in place of an operator.
var turned = map[token.Token]string{
	token.EQL: "!=", token.NEQ: "==", token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">",
	token.LAND: "||", token.LOR: "&&", token.ADD: "-", token.SUB: "+",
}

// helper names the generic functions that stand for an operator which Go cannot turn
// in place (weave.go).
var helper = map[token.Token]string{
	token.LSS: "mutantLess", token.LEQ: "mutantLessEqual", token.GTR: "mutantMore", token.GEQ: "mutantMoreEqual",
	token.ADD: "mutantAdd", token.SUB: "mutantSub",
}

// finder collects the faults of one file.
type finder struct {
	set  *token.FileSet
	text []byte
	name string
	info *types.Info
	pkg  *types.Package
	skip map[ast.Node]bool // where a fault would be none, or Go wants a constant
	out  []fault
}

// faultsIn finds every fault that can be put into a file's functions.
func faultsIn(set *token.FileSet, file *ast.File, name string, text []byte, pkg *types.Package, info *types.Info) []fault {
	f := &finder{set: set, text: text, name: name, info: info, pkg: pkg, skip: map[ast.Node]bool{}}
	if ast.IsGenerated(file) {
		return nil
	}
	for _, d := range file.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
			ast.Inspect(fn.Body, f.visit)
		}
	}
	return f.out
}

func (f *finder) visit(n ast.Node) bool {
	if n == nil || f.skip[n] {
		return false
	}
	switch n := n.(type) {
	case *ast.GenDecl:
		return n.Tok != token.CONST
	case *ast.ArrayType:
		f.skip[n.Len] = n.Len != nil
	case *ast.CompositeLit:
		f.skipKeys(n)
	case *ast.CallExpr:
		f.skipCall(n)
	case *ast.IfStmt:
		if isBool(f.info.TypeOf(n.Cond)) {
			f.add(n.Cond, "negated: if "+f.source(n.Cond), "((", ") != mutant(%d))")
		}
	case *ast.BinaryExpr:
		f.binary(n)
	case *ast.BasicLit:
		f.literal(n)
	case *ast.ReturnStmt:
		f.result(n)
	}
	return true
}

func (f *finder) add(n ast.Node, what, open, shut string) *fault {
	p := f.set.Position(n.Pos())
	f.out = append(f.out, fault{
		file: f.name, line: p.Line, what: what, from: p.Offset, to: f.set.Position(n.End()).Offset, open: open, shut: shut,
	})
	return &f.out[len(f.out)-1]
}

func (f *finder) source(n ast.Node) string {
	return strings.Join(strings.Fields(string(f.text[f.set.Position(n.Pos()).Offset:f.set.Position(n.End()).Offset])), " ")
}

func (f *finder) lineOf(n ast.Node) string {
	at := f.set.Position(n.Pos())
	line, _, _ := strings.Cut(string(f.text[at.Offset-at.Column+1:]), "\n")
	return strings.TrimSpace(line)
}

func (f *finder) binary(n *ast.BinaryExpr) {
	to, ok := turned[n.Op]
	whole := f.info.Types[n]
	if !ok || whole.Value != nil {
		return // the compiler reckons constants
	}
	what := fmt.Sprintf("%s became %s in %s", n.Op, to, f.source(n))
	at := f.set.Position(n.OpPos).Offset
	switch n.Op {
	case token.EQL, token.NEQ:
		f.add(n, what, "((", ") != mutant(%d))")
	case token.LAND, token.LOR:
		if isBool(whole.Type) { // a || b is !(!a && !b)
			e := f.add(n, what, "(((", ") != mutant(%d)) != mutant(%d))")
			e.op, e.middle = [2]int{at, at + 2}, ") != mutant(%d) "+n.Op.String()+" ("
		}
	case token.ADD, token.SUB:
		if b, ok := whole.Type.Underlying().(*types.Basic); !ok || b.Info()&types.IsNumeric == 0 {
			return
		}
		fallthrough
	default:
		e := f.add(n, what, helper[n.Op]+"(%d, ", ")")
		e.op, e.middle = [2]int{at, at + len(n.Op.String())}, ","
	}
}

// literal makes a number one more.
func (f *finder) literal(n *ast.BasicLit) {
	if n.Kind != token.INT {
		return
	}
	name := ""
	var needs *types.TypeName
	switch t := f.info.TypeOf(n).(type) {
	case *types.Basic:
		name = t.Name()
		if t.Info()&types.IsUntyped != 0 {
			return
		}
	case *types.Named:
		name = t.Obj().Name()
		if t.Obj().Pkg() != f.pkg { // such as time.Duration, under whatever name the file imports it
			needs = t.Obj()
			name = alias(needs)
		}
	default:
		return
	}
	f.add(n, n.Value+" became one more in "+f.lineOf(n), "mutantOneMore["+name+"](%d, ", ")").needs = needs
}

// result drops an error that is handed on.
func (f *finder) result(n *ast.ReturnStmt) {
	if i := len(n.Results) - 1; i >= 0 {
		if id, ok := n.Results[i].(*ast.Ident); ok && id.Name == "err" && types.Identical(f.info.TypeOf(id), types.Universe.Lookup("error").Type()) {
			f.add(id, "the error is dropped: "+f.source(n), "mutantDrop(%d, ", ")")
		}
	}
}

// skipKeys passes over the indices of an array's or a slice's elements: constants.
func (f *finder) skipKeys(n *ast.CompositeLit) {
	if _, isMap := f.info.TypeOf(n).Underlying().(*types.Map); isMap {
		return
	}
	for _, e := range n.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			f.skip[kv.Key] = true
		}
	}
}

// skipCall passes over what no client can see: how much room is made beforehand, and
// what a line of the log says.
func (f *finder) skipCall(n *ast.CallExpr) {
	switch called := n.Fun.(type) {
	case *ast.Ident:
		if called.Name == "make" && len(n.Args) > 1 {
			_, isSlice := f.info.TypeOf(n.Args[0]).Underlying().(*types.Slice)
			if last := n.Args[len(n.Args)-1]; !isSlice || len(n.Args) == 3 {
				f.skip[last] = true
			}
		}
	case *ast.SelectorExpr:
		on := types.TypeString(f.info.TypeOf(called.X), nil)
		id, _ := called.X.(*ast.Ident)
		if called.Sel.Name == "Grow" || strings.HasSuffix(on, "log/slog.Logger") || id != nil && id.Name == "slog" {
			for _, a := range n.Args {
				f.skip[a] = true
			}
		}
	}
}

func isBool(t types.Type) bool {
	b, ok := t.(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0
}

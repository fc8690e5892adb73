package deptest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// programs says which of Debian's packages brings a program that our code or its
// tests start. No package: every Debian has it.
var programs = map[string]string{
	"bash": "", "sh": "", "sleep": "",
	"blkid": "util-linux", "nsenter": "util-linux", "prlimit": "util-linux", "unshare": "util-linux",
	"busybox": "busybox-static", "cpio": "cpio", "ip": "iproute2", "isoinfo": "genisoimage", "kill": "procps", "mke2fs": "e2fsprogs", "mkfs.ext4": "e2fsprogs", "mkfs.ntfs": "ntfs-3g", "mkfs.vfat": "dosfstools",
	"nft": "nftables", "openstack": "python3-openstackclient", "perl": "perl-base", "python3": "python3-openstackclient", "qemu-img": "qemu-utils", "qemu-io": "qemu-utils", "qemu-storage-daemon": "qemu-system-common",
	"ovn-nbctl": "ovn-central", "ovs-vsctl": "openvswitch-switch", "ovsdb-client": "openvswitch-switch",
	"ovsdb-server": "openvswitch-switch", "ovsdb-tool": "openvswitch-switch", "slapadd": "slapd", "slapd": "slapd",
	"mount": "", "ceph-authtool": "ceph-common", "rbd": "ceph-common",
}

// elsewhere are programs that no package of ours brings, and why none has to.
var elsewhere = map[string]string{
	"exe":       "/proc/self/exe is the program itself",
	"go":        "install-deps.sh sees to it by itself",
	"modprobe":  "its absence is an answer: the NFS driver of QEMU is taken",
	"guestfish": "kumoi image prepare says that it is missing, and no test needs it",
	"systemctl": "its absence is an answer",
	"versitygw": "its test builds it",
}

// modules are Python's that tests import.
var modules = map[string]string{
	"openstackclient": "python3-openstackclient", "keystoneauth1": "python3-openstackclient", "glanceclient": "python3-glanceclient", "lxml": "python3-lxml",
}

// A machine that has nothing gets every program that a test starts.
func TestProgramsOfTestsAreInstalled(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../../packaging/install-deps.sh")
	if err != nil {
		t.Fatal(err)
	}
	installed := strings.FieldsFunc(string(script), func(r rune) bool { return strings.ContainsRune(" \n()", r) })
	needs := func(where, what, pkg string) {
		if pkg != "" && !slices.Contains(installed, pkg) {
			t.Errorf("%s starts %s, but packaging/install-deps.sh does not install %s", where, what, pkg)
		}
	}
	started := map[string]bool{}
	for _, dir := range []string{"../../cmd", "../../internal", "../../test"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
				return err
			}
			starts, imports := startedBy(t, path)
			for _, name := range starts {
				started[name] = true
				pkg, known := programs[name]
				if !known && elsewhere[name] == "" {
					t.Errorf("%s starts %s, of which this test does not know what brings it", path, name)
				}
				needs(path, name, pkg)
			}
			for _, name := range imports {
				pkg, known := modules[name]
				if !known {
					t.Errorf("%s needs Python's %s, of which this test does not know what brings it", path, name)
				}
				needs(path, name, pkg)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"slapd", "qemu-img", "unshare", "ovsdb-server", "python3"} {
		if !started[name] {
			t.Errorf("%s is started by some test, and was not found", name)
		}
	}
}

// startedBy finds the programs that a file starts or looks for by a name that is
// written in it, and the Python modules it asks for.
func startedBy(t *testing.T, path string) (starts, imports []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if len(n.Lhs) == 1 && len(n.Rhs) == 1 {
				if id, ok := n.Lhs[0].(*ast.Ident); ok {
					named[id.Name] = text(n.Rhs[0])
				}
			}
		case *ast.ValueSpec:
			if len(n.Names) == 1 && len(n.Values) == 1 {
				named[n.Names[0].Name] = text(n.Values[0])
			}
		}
		return true
	})
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch name := callee(call); name {
		case "exec.Command", "exec.LookPath", "exec.CommandContext":
			at := 0
			if name == "exec.CommandContext" {
				at = 1
			}
			word := text(call.Args[at])
			if id, ok := call.Args[at].(*ast.Ident); ok {
				word = named[id.Name]
			}
			if word != "" {
				starts = append(starts, filepath.Base(word))
			}
		case "needs", "stockclient.Start":
			for _, a := range call.Args[1:] {
				for _, m := range module.FindAllStringSubmatch(text(a), -1) {
					imports = append(imports, m[1])
				}
			}
		}
		return true
	})
	return starts, imports
}

// module finds the first part of each name in a list of Python modules.
var module = regexp.MustCompile(`(?:^|, *)([a-z0-9_]+)`)

func callee(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
	}
	return ""
}

// text is a string that is written out; "" for anything else.
func text(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	s, _ := strconv.Unquote(lit.Value)
	return s
}

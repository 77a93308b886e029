package guides

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// named finds long flags in prose and in command lines.
var named = regexp.MustCompile("(?:^|[\\s`(\\[])--([a-z][a-z0-9-]*)")

// ofOthers are flags of programs that are not ours.
var ofOthers = map[string]string{
	"cacert":         "curl",
	"data-urlencode": "curl",
	"max-time":       "curl",
	"listen":         "a service in an example",
	"enable-v2":      "etcd",
}

func TestFlagsThatGuidesNameExist(t *testing.T) {
	known := ofServer(t)
	for name := range ofCommandLine(t) {
		known[name] = true
	}
	known["json"] = true // of keytree doctor alone
	for _, page := range pages(t, guides) {
		for _, found := range named.FindAllStringSubmatch(read(t, page), -1) {
			if name := found[1]; !known[name] && ofOthers[name] == "" {
				t.Errorf("%s: there is no flag --%s", page, name)
			}
		}
	}
}

// ofServer are the flags of keytree, from the page that a test of its own keeps
// up to date.
func ofServer(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, found := range regexp.MustCompile("(?m)^(?:\\||-) `--([a-z0-9-]+)`").FindAllStringSubmatch(read(t, root+"/docs/configuration.md"), -1) {
		all[strings.ToLower(found[1])] = true
	}
	if len(all) < 50 {
		t.Fatalf("%d flags of keytree", len(all))
	}
	return all
}

// ofCommandLine are the flags of etcdctl2, from its source: they are declared in
// literals such as &cli.BoolFlag{Name: "recursive", ...}.
func ofCommandLine(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(root + "/etcdctl2/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no source of etcdctl2: %v", err)
	}
	all := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.CompositeLit); ok && isFlag(literal) {
				all[flagName(literal)] = true
			}
			return true
		})
	}
	if !all["recursive"] || !all["endpoints"] {
		t.Fatalf("the flags of etcdctl2 were not found: %v", all)
	}
	return all
}

func isFlag(literal *ast.CompositeLit) bool {
	of, ok := literal.Type.(*ast.SelectorExpr)
	return ok && strings.HasSuffix(of.Sel.Name, "Flag")
}

func flagName(literal *ast.CompositeLit) string {
	for _, element := range literal.Elts {
		field, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		key, isKey := field.Key.(*ast.Ident)
		value, isText := field.Value.(*ast.BasicLit)
		if isKey && isText && key.Name == "Name" {
			name, err := strconv.Unquote(value.Value)
			if err == nil {
				return name
			}
		}
	}
	return ""
}

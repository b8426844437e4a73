package testenv_test

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
)

const module = "github.com/safespawn/spawn"

// sources is the directory of the module, where its files are at hand.
func sources(t *testing.T) string {
	t.Helper()
	root := filepath.Join("..", "..")
	for _, name := range []string{"go.mod", "doc.go", "README.md"} {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			testenv.Skip(t, "no source code here")
		}
	}
	return root
}

// walk calls f with the files of the module that have an extension, by slashed paths.
func walk(t *testing.T, root, ext string, f func(name string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if d.IsDir() && rel != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !d.IsDir() && filepath.Ext(name) == ext {
			f(filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

var (
	fenced   = regexp.MustCompile("(?ms)^```.*?^```$")
	code     = regexp.MustCompile("`[^`\n]*`")
	mdLink   = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	noAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	mdName   = regexp.MustCompile(`\bdocs/[a-z-]+\.md\b`)
)

// anchors are those that GitHub makes of the headings of a page.
func anchors(page string) map[string]bool {
	found := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
		base := strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")
		name := base
		for n := 1; found[name]; n++ {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		found[name] = true
	}
	return found
}

// TestPageLinks wants the relative links of the pages, with their anchors, to lead somewhere.
func TestPageLinks(t *testing.T) {
	root, links := sources(t), 0
	walk(t, root, ".md", func(name string) {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		prose := code.ReplaceAllString(fenced.ReplaceAllString(string(text), ""), "code")
		for _, m := range mdLink.FindAllStringSubmatch(prose, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			target, anchor, _ := strings.Cut(m[1], "#")
			to := name
			if target != "" {
				to = path.Join(path.Dir(name), target)
			}
			info, err := os.Stat(filepath.Join(root, to))
			if err != nil || anchor == "" {
				if err != nil {
					t.Errorf("%s links to %s: %v", name, m[1], err)
				}
				continue
			}
			page, err := os.ReadFile(filepath.Join(root, to))
			if info.IsDir() || err != nil || !anchors(string(page))[anchor] {
				t.Errorf("%s links to %s: no such heading", name, m[1])
			}
		}
	})
	if links < 50 {
		t.Errorf("%d links", links)
	}
}

// TestPageNames wants the pages that comments name to be there.
func TestPageNames(t *testing.T) {
	root := sources(t)
	walk(t, root, ".go", func(name string) {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range mdName.FindAllString(string(text), -1) {
			if _, err := os.Stat(filepath.Join(root, page)); err != nil {
				t.Errorf("%s names %s: %v", name, page, err)
			}
		}
	})
}

// documented is a package as Linux has it, and so pkg.go.dev.
type documented struct {
	*doc.Package
	set   *token.FileSet
	files []*ast.File
}

// load parses the files of a directory, without tests; nil where there are none.
func load(t *testing.T, dir, importPath string) *documented {
	t.Helper()
	ctx := build.Default
	ctx.GOOS, ctx.GOARCH, ctx.CgoEnabled, ctx.BuildTags = "linux", "amd64", false, nil
	p, err := ctx.ImportDir(dir, 0)
	if err != nil || len(p.GoFiles) == 0 {
		return nil
	}
	d := &documented{set: token.NewFileSet()}
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(d.set, filepath.Join(dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		d.files = append(d.files, f)
	}
	if d.Package, err = doc.NewFromFiles(d.set, d.files, importPath, doc.AllDecls|doc.PreserveAST); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDocLinks wants the [Name] links of comments to lead somewhere, and each package to
// have a comment that begins as go doc wants it.
func TestDocLinks(t *testing.T) {
	root, dirs := sources(t), map[string]bool{}
	walk(t, root, ".go", func(name string) { dirs[path.Dir(name)] = true })
	c := linkChecker{T: t, seen: map[string]*documented{}, root: root}
	for dir := range dirs {
		if p := c.at(path.Join(module, dir)); p != nil {
			c.begins(p)
			c.comments(p)
		}
	}
	if c.links < 300 {
		t.Errorf("%d links", c.links)
	}
}

// linkChecker looks at all packages.
type linkChecker struct {
	*testing.T
	seen  map[string]*documented
	root  string
	links int
}

// at is a package of this module or of the standard library; nil for others.
func (c *linkChecker) at(importPath string) *documented {
	p, ok := c.seen[importPath]
	if ok {
		return p
	}
	if rel, ours := strings.CutPrefix(importPath+"/", module+"/"); ours {
		p = load(c.T, filepath.Join(c.root, rel), importPath)
	} else if !strings.Contains(importPath, ".") {
		p = load(c.T, filepath.Join(build.Default.GOROOT, "src", importPath), importPath)
	}
	c.seen[importPath] = p
	return p
}

// begins wants the first sentence of a package's comment to name it: "Package exec runs",
// and of a program "Gofmt formats" or "Command gofmt formats".
func (c *linkChecker) begins(p *documented) {
	text := p.Synopsis(p.Doc)
	begins := strings.HasPrefix(text, "Package "+p.Name+" ")
	if name := path.Base(p.ImportPath); p.Name == "main" {
		begins = strings.HasPrefix(text, "Command "+name+" ") || strings.HasPrefix(text, strings.ToUpper(name[:1])+name[1:]+" ")
	}
	if !begins || !strings.HasSuffix(text, ".") {
		c.Errorf("%s: the comment of the package begins %q", p.ImportPath, text)
	}
}

// comments looks at each comment outside of functions.
func (c *linkChecker) comments(p *documented) {
	parse := p.Parser()
	for _, f := range p.files {
		ast.Inspect(f, func(n ast.Node) bool {
			if group, ok := n.(*ast.CommentGroup); ok {
				c.links += c.resolve(p, p.set.Position(group.Pos()), parse.Parse(group.Text()).Content)
			}
			_, body := n.(*ast.BlockStmt)
			return !body
		})
	}
}

var unresolved = regexp.MustCompile(`\[\*?([a-z][\w/]*\.)?[A-Z]\w*(\.[A-Z]\w*)?\]`)

// resolve looks at the blocks of a comment, and returns how many links there are.
func (c *linkChecker) resolve(p *documented, at token.Position, blocks []comment.Block) (n int) {
	for _, b := range blocks {
		switch b := b.(type) {
		case *comment.Paragraph:
			n += c.texts(p, at, b.Text)
		case *comment.Heading:
			n += c.texts(p, at, b.Text)
		case *comment.List:
			for _, item := range b.Items {
				n += c.resolve(p, at, item.Content)
			}
		}
	}
	return n
}

func (c *linkChecker) texts(p *documented, at token.Position, list []comment.Text) (n int) {
	for _, x := range list {
		switch x := x.(type) {
		case comment.Plain:
			if name := unresolved.FindString(string(x)); name != "" {
				c.Errorf("%s: %s leads nowhere", at, name)
			}
		case *comment.DocLink:
			n++
			to := p
			if x.ImportPath != "" {
				to = c.at(x.ImportPath)
			}
			if to != nil && !to.has(x.Recv, x.Name) {
				c.Errorf("%s: there is no %s in %s", at, strings.TrimPrefix(x.Recv+"."+x.Name, "."), to.ImportPath)
			}
		}
	}
	return n
}

// has reports whether a package has a name, or a type has it as a method or a field.
func (p *documented) has(recv, name string) bool {
	if name == "" {
		return true
	}
	for _, f := range p.files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.Name == name && receiver(d) == recv {
					return true
				}
			case *ast.GenDecl:
				if declares(d, recv, name) {
					return true
				}
			}
		}
	}
	return false
}

func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	x := f.Recv.List[0].Type
	if star, ok := x.(*ast.StarExpr); ok {
		x = star.X
	}
	if index, ok := x.(*ast.IndexExpr); ok {
		x = index.X
	}
	if id, ok := x.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// declares reports whether a declaration has a name, or, of the type recv, a field or
// method of an interface. A type that is another's has that one's.
func declares(d *ast.GenDecl, recv, name string) bool {
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if recv == "" && s.Name.Name == name || s.Name.Name == recv && (s.Assign.IsValid() || member(s.Type, name)) {
				return true
			}
		case *ast.ValueSpec:
			for _, id := range s.Names {
				if recv == "" && id.Name == name {
					return true
				}
			}
		}
	}
	return false
}

func member(x ast.Expr, name string) bool {
	var list *ast.FieldList
	switch x := x.(type) {
	case *ast.StructType:
		list = x.Fields
	case *ast.InterfaceType:
		list = x.Methods
	default:
		return false
	}
	for _, f := range list.List {
		for _, id := range f.Names {
			if id.Name == name {
				return true
			}
		}
		if len(f.Names) == 0 {
			return true // embedded: what it has is not looked at
		}
	}
	return false
}

package reference

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

const module = "github.com/lepton-sdn/lepton/"

// comments holds what the sources say of types and fields.
type comments struct {
	top   string
	found map[string]map[string]string // package path → "Type" or "Type.Field" → text
}

// of gives the comment of a type, or of a field of it.
func (c *comments) of(pkg, name string) (string, error) {
	if c.found[pkg] == nil {
		all, err := c.parse(pkg)
		if err != nil {
			return "", err
		}
		c.found[pkg] = all
	}
	return c.found[pkg][name], nil
}

func (c *comments) parse(pkg string) (map[string]string, error) {
	dir := filepath.Join(c.top, strings.TrimPrefix(pkg, module))
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			d, ok := n.(*ast.GenDecl)
			if !ok || d.Tok != token.TYPE {
				return true
			}
			for _, s := range d.Specs {
				spec := s.(*ast.TypeSpec)
				text := spec.Doc.Text()
				if text == "" {
					text = d.Doc.Text()
				}
				out[spec.Name.Name] = text
				fields(out, spec)
			}
			return false
		})
	}
	return out, nil
}

func fields(out map[string]string, spec *ast.TypeSpec) {
	s, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range s.Fields.List {
		for _, name := range f.Names {
			out[spec.Name.Name+"."+name.Name] = f.Doc.Text() + f.Comment.Text()
		}
	}
}

// row is a line of the page's tables.
type row struct{ key, def, text string }

// rows lists the keys of a struct and of those in it.
func (c *comments) rows(prefix string, v reflect.Value) ([]row, error) {
	t := v.Type()
	var out []row
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if option == "inline" {
			inner, err := c.rows(prefix, v.Field(i))
			if err != nil {
				return nil, err
			}
			out = append(out, inner...)
			continue
		}
		if name == "" || name == "-" {
			continue
		}
		text, err := c.of(t.PkgPath(), t.Name()+"."+f.Name)
		if err != nil {
			return nil, err
		}
		value := v.Field(i)
		if value.Kind() == reflect.Pointer && value.Type().Elem().Kind() == reflect.Struct {
			if value.IsNil() {
				value = reflect.New(value.Type().Elem())
			}
			value = value.Elem()
		}
		if value.Kind() == reflect.Struct && strings.HasPrefix(value.Type().PkgPath(), module) {
			if text == "" {
				if text, err = c.of(value.Type().PkgPath(), value.Type().Name()); err != nil {
					return nil, err
				}
			}
			inner, err := c.rows(prefix+name+".", value)
			if err != nil {
				return nil, err
			}
			out = append(out, row{key: prefix + name, text: plain(text, value.Type().Name(), f.Name)})
			out = append(out, inner...)
			continue
		}
		def, err := show(value)
		if err != nil {
			return nil, err
		}
		out = append(out, row{key: prefix + name, def: def, text: plain(text, f.Name)})
	}
	return out, nil
}

// show gives a default as YAML on one line.
func show(v reflect.Value) (string, error) {
	if v.IsZero() && v.Kind() != reflect.Bool && v.Kind() != reflect.Int {
		return "", nil
	}
	b, err := yaml.Marshal(v.Interface())
	if err != nil {
		return "", err
	}
	var n yaml.Node
	if err := yaml.Unmarshal(b, &n); err != nil {
		return "", err
	}
	n.Content[0].Style = yaml.FlowStyle
	if b, err = yaml.Marshal(n.Content[0]); err != nil {
		return "", err
	}
	return strings.TrimSpace(string(b)), nil
}

var spaces = regexp.MustCompile(`\s+`)

// plain makes a table cell of a comment: without the Go name that begins it.
func plain(text string, names ...string) string {
	text = spaces.ReplaceAllString(strings.TrimSpace(text), " ")
	for _, name := range names {
		if rest, ok := strings.CutPrefix(text, name+" "); ok {
			text = strings.TrimPrefix(strings.TrimPrefix(rest, "is "), "are ")
		}
	}
	return strings.ReplaceAll(text, "|", `\|`)
}

// Section is a program's part of the page.
type Section struct {
	Title, Before string
	Defaults      any // pointer to its configuration
}

// Page writes the page; top is the directory of the module.
func Page(top string, sections []Section) (string, error) {
	c := &comments{top: top, found: map[string]map[string]string{}}
	var b strings.Builder
	b.WriteString("# Configuration\n\nBoth programs read one YAML file strictly: an unknown key or a wrong value is an error that names file, line and key, and the program exits with 2. `--check` reads the file and says whether it can be used. Every key may be left out. This page is written from the code (`make docs`).\n")
	for _, s := range sections {
		rows, err := c.rows("", reflect.ValueOf(s.Defaults).Elem())
		if err != nil {
			return "", fmt.Errorf("%s: %w", s.Title, err)
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| key | default | meaning |\n| --- | --- | --- |\n", s.Title, s.Before)
		for _, r := range rows {
			def := ""
			if r.def != "" {
				def = "`" + r.def + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.key, def, r.text)
		}
	}
	return b.String(), nil
}

// write is for the test.
func write(path, text string) error { return os.WriteFile(path, []byte(text), 0o644) }

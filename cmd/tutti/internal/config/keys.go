package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// field is one key of a section, found by reflection on Config so that the struct is the only list of keys.
type field struct {
	name    string
	doc     string
	allowed []string // nil: anything of the type
	secret  bool
	index   int
	typ     reflect.Type
}

func fieldsOf(t reflect.Type) []field {
	fields := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		out := field{name: f.Tag.Get("mapstructure"), doc: f.Tag.Get("doc"), secret: f.Tag.Get("secret") != "", index: i, typ: f.Type}
		if allowed, ok := f.Tag.Lookup("allowed"); ok {
			out.allowed = strings.Split(allowed, ",")
		}
		fields = append(fields, out)
	}
	return fields
}

var textType = reflect.TypeFor[encoding.TextUnmarshaler]()

// section says whether t holds keys of its own.
func section(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(textType)
}

// scalars calls visit with every key that is neither a section nor a list.
func scalars(v reflect.Value, prefix string, visit func(key string, f field, v reflect.Value)) {
	for _, f := range fieldsOf(v.Type()) {
		key := prefix + f.name
		switch {
		case section(f.typ):
			scalars(v.Field(f.index), key+".", visit)
		case f.typ.Kind() == reflect.Slice && section(f.typ.Elem()):
		default:
			visit(key, f, v.Field(f.index))
		}
	}
}

// checkNode compares a YAML document with the keys of t: unknown keys, keys given twice, and values of the wrong shape.
// lines collects where each key stands, for complaints that come later.
func checkNode(file string, n *yaml.Node, t reflect.Type, key string, lines map[string]int) Problems {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	lines[key] = n.Line
	complain := func(text string, args ...any) Problems {
		return Problems{{File: file, Line: n.Line, Key: key, Text: fmt.Sprintf(text, args...)}}
	}
	empty := n.Kind == yaml.ScalarNode && n.Tag == "!!null"
	switch {
	case empty:
		return nil
	case section(t):
		if n.Kind != yaml.MappingNode {
			return complain("wants keys and values (%s), not %q", strings.Join(names(t), ", "), n.Value)
		}
		return checkMapping(file, n, t, key, lines)
	case t.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			return complain("wants a list, one entry a line that starts with \"- \"")
		}
		var ps Problems
		for i, child := range n.Content {
			ps = append(ps, checkNode(file, child, t.Elem(), fmt.Sprintf("%s[%d]", key, i), lines)...)
		}
		return ps
	case n.Kind != yaml.ScalarNode:
		return complain("wants one value")
	}
	return checkScalar(n, t, complain)
}

func checkMapping(file string, n *yaml.Node, t reflect.Type, key string, lines map[string]int) Problems {
	var ps Problems
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i].Value, n.Content[i+1]
		full := strings.TrimPrefix(key+"."+name, ".")
		problem := Problem{File: file, Line: n.Content[i].Line, Key: full}
		f, known := find(t, name)
		switch {
		case !known:
			problem.Text = "unknown key; allowed here: " + strings.Join(names(t), ", ")
			if near := nearest(name, names(t)); near != "" {
				problem.Text = fmt.Sprintf("unknown key; did you mean %s?", near)
			}
			ps = append(ps, problem)
		case seen[name]:
			problem.Text = "given twice"
			ps = append(ps, problem)
		default:
			ps = append(ps, checkNode(file, value, f.typ, full, lines)...)
		}
		seen[name] = true
	}
	return ps
}

func checkScalar(n *yaml.Node, t reflect.Type, complain func(string, ...any) Problems) Problems {
	v := reflect.New(t)
	if text, ok := v.Interface().(encoding.TextUnmarshaler); ok {
		if err := text.UnmarshalText([]byte(n.Value)); err != nil {
			return complain("%v", err)
		}
		return nil
	}
	switch t.Kind() {
	case reflect.Bool:
		if n.Tag != "!!bool" {
			return complain("%q is neither true nor false", n.Value)
		}
	case reflect.Int:
		if n.Tag != "!!int" {
			return complain("%q is not a whole number", n.Value)
		}
	}
	return nil
}

func names(t reflect.Type) []string {
	var out []string
	for _, f := range fieldsOf(t) {
		out = append(out, f.name)
	}
	return out
}

func find(t reflect.Type, name string) (field, bool) {
	for _, f := range fieldsOf(t) {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

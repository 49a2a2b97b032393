package config

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// hidden stands where a secret would be shown.
const hidden = "********"

// Write writes c as the YAML file that would give it, secrets hidden; with docs each key is explained.
func Write(w io.Writer, c Config, docs bool) error {
	p := &printer{w: w, docs: docs}
	p.section(reflect.ValueOf(c), 0)
	return p.err
}

type printer struct {
	w    io.Writer
	docs bool
	err  error
}

func (p *printer) line(depth int, text string) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, strings.Repeat("  ", depth)+text)
	}
}

func (p *printer) section(v reflect.Value, depth int) {
	for _, f := range fieldsOf(v.Type()) {
		value := v.Field(f.index)
		if section(f.typ) {
			p.line(depth, f.name+":")
			p.section(value, depth+1)
			continue
		}
		p.doc(f, depth)
		if f.typ.Kind() == reflect.Slice {
			p.list(f, value, depth)
			continue
		}
		p.line(depth, f.name+": "+scalar(value, f.secret))
	}
}

func (p *printer) doc(f field, depth int) {
	if p.docs && f.doc != "" {
		p.line(depth, "# "+f.doc)
	}
}

func (p *printer) list(f field, v reflect.Value, depth int) {
	if v.Len() == 0 {
		p.line(depth, f.name+": []"+p.example(f))
		return
	}
	p.line(depth, f.name+":")
	for i := range v.Len() {
		if !section(f.typ.Elem()) {
			p.line(depth+1, "- "+scalar(v.Index(i), f.secret))
			continue
		}
		p.entry(v.Index(i), depth+1)
	}
}

// entry is one element of a list of sections; only what is set is written.
func (p *printer) entry(v reflect.Value, depth int) {
	mark := "- "
	for _, f := range fieldsOf(v.Type()) {
		value := v.Field(f.index)
		if value.IsZero() {
			continue
		}
		p.line(depth, mark+f.name+": "+scalar(value, f.secret))
		mark = "  "
	}
}

// example names the keys of an empty list's entries.
func (p *printer) example(f field) string {
	if !p.docs || !section(f.typ.Elem()) {
		return ""
	}
	keys := make([]string, 0, 6)
	for _, name := range names(f.typ.Elem()) {
		keys = append(keys, name+": …")
	}
	return "  # [{" + strings.Join(keys, ", ") + "}]"
}

func scalar(v reflect.Value, secret bool) string {
	if secret && !v.IsZero() {
		return strconv.Quote(hidden)
	}
	if text, ok := v.Interface().(interface{ MarshalText() ([]byte, error) }); ok {
		b, _ := text.MarshalText() // our own types do not fail
		return string(b)
	}
	if v.Kind() == reflect.String {
		return quoted(v.String())
	}
	return fmt.Sprint(v.Interface())
}

// quoted quotes what YAML would otherwise take for something else than a string.
func quoted(s string) string {
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-./", r)
	}) < 0
	if plain && s[0] != '-' && s != "true" && s != "false" && s != "null" && s != "yes" && s != "no" {
		return s
	}
	return strconv.Quote(s)
}

// WriteJSON writes c as one JSON object with the keys of the file, secrets hidden.
func WriteJSON(w io.Writer, c Config) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(object(reflect.ValueOf(c)))
}

// object is a section as a map of its keys.
func object(v reflect.Value) map[string]any {
	out := map[string]any{}
	for _, f := range fieldsOf(v.Type()) {
		value := v.Field(f.index)
		switch {
		case section(f.typ):
			out[f.name] = object(value)
		case f.typ.Kind() == reflect.Slice && section(f.typ.Elem()):
			list := []any{}
			for i := range value.Len() {
				list = append(list, object(value.Index(i)))
			}
			out[f.name] = list
		case f.secret && !value.IsZero():
			out[f.name] = hidden
		default:
			out[f.name] = value.Interface()
		}
	}
	return out
}

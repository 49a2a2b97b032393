package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// pages are for people; what they say about keys has to be so.
var pages = []string{"README.md", "docs/manual.md"}

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The manual has a row for each key, with its default.
func TestManualNamesEveryKey(t *testing.T) {
	manual := page(t, "docs/manual.md")
	keys := 0
	row := func(key, value string) {
		keys++
		if want := fmt.Sprintf("\n| `%s` | %s |", key, value); !strings.Contains(manual, want) {
			t.Errorf("docs/manual.md has no row %q", strings.TrimSpace(want))
		}
	}
	var walk func(v reflect.Value, prefix string)
	walk = func(v reflect.Value, prefix string) {
		for _, f := range fieldsOf(v.Type()) {
			key, value := prefix+f.name, v.Field(f.index)
			if section(f.typ) {
				walk(value, key+".")
				continue
			}
			row(key, shown(value))
		}
	}
	walk(reflect.ValueOf(Default()), "")
	if keys < 30 {
		t.Errorf("only %d keys were looked at", keys)
	}
}

// shown is a default as the manual writes it.
func shown(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Slice && v.Len() == 0:
		return "none"
	case v.Kind() == reflect.Slice:
		var all []string
		for i := range v.Len() {
			all = append(all, "`"+v.Index(i).String()+"`")
		}
		return strings.Join(all, ", ")
	case v.Kind() == reflect.String && v.Len() == 0:
		return "empty"
	}
	return "`" + strings.Trim(scalar(v, false), `"`) + "`"
}

// Every configuration that a page shows is one that the bridge takes.
func TestExamplesOfThePagesAreRight(t *testing.T) {
	fence := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	for _, name := range pages {
		examples := fence.FindAllStringSubmatch(page(t, name), -1)
		if len(examples) == 0 {
			t.Errorf("%s shows no configuration", name)
		}
		for _, e := range examples {
			file := filepath.Join(t.TempDir(), "tutti.yaml")
			if err := os.WriteFile(file, []byte(e[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(file, nil); err != nil {
				t.Errorf("%s: %v\n%s", name, err, e[1])
			}
		}
	}
}

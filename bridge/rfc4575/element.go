package rfc4575

import (
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
	"time"
)

// element is one XML element. It has text or children, not both.
type element struct {
	name     xml.Name
	attrs    []xml.Attr
	text     string
	children []*element
}

// tag is an element of RFC 4575 with these children; nil ones are left out.
func tag(name string, children ...*element) *element {
	e := &element{name: xml.Name{Space: namespace, Local: name}, children: make([]*element, 0, len(children)+3)}
	e.add(children...)
	return e
}

// some is tag, or nil where there is no child: for elements that may not be empty.
func some(name string, children ...*element) *element {
	if e := tag(name, children...); len(e.children) > 0 {
		return e
	}
	return nil
}

// leaf is an element with text, or nil where the text is empty.
func leaf(name, text string) *element {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	return &element{name: xml.Name{Space: namespace, Local: name}, text: clean(text)}
}

// xcon is a leaf of RFC 6501, which has more words for conferences.
func xcon(name, text string) *element {
	e := leaf(name, text)
	if e != nil {
		e.name.Space = namespaceXCON
	}
	return e
}

// own is an element of our namespace. facts are names and values in turn; empty values are left out.
func own(name string, facts ...string) *element {
	e := &element{name: xml.Name{Space: Namespace, Local: name}, attrs: make([]xml.Attr, 0, 4)}
	for i := 0; i+1 < len(facts); i += 2 {
		if facts[i+1] != "" {
			e.with(facts[i], clean(facts[i+1]))
		}
	}
	return e
}

// with adds an attribute.
func (e *element) with(name, value string) *element {
	e.attrs = append(e.attrs, xml.Attr{Name: xml.Name{Local: name}, Value: value})
	return e
}

func (e *element) add(children ...*element) {
	for _, c := range children {
		if c != nil {
			e.children = append(e.children, c)
		}
	}
}

// attr is the value of an attribute without a namespace, "" for none.
func (e *element) attr(name string) string {
	for _, a := range e.attrs {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// without is e without an attribute. It shares what it can.
func (e *element) without(name string) *element {
	c := *e
	c.attrs = slices.DeleteFunc(slices.Clone(e.attrs), func(a xml.Attr) bool { return a.Name.Space == "" && a.Name.Local == name })
	return &c
}

// child is the text of the first child of this name.
func (e *element) child(name string) string {
	for _, c := range e.children {
		if c.name.Local == name && c.name.Space == e.name.Space {
			return c.text
		}
	}
	return ""
}

// equal says whether two elements say the same. Either may be nil.
func equal(a, b *element) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a == b || a.name == b.name && a.text == b.text && slices.Equal(a.attrs, b.attrs) && slices.EqualFunc(a.children, b.children, equal)
}

// truth is an xs:boolean.
func truth(b bool) string { return strconv.FormatBool(b) }

// flag is an attribute that is not there where b is false.
func flag(b bool) string {
	if b {
		return "true"
	}
	return ""
}

// moment is an xs:dateTime, "" for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

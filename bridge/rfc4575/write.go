package rfc4575

import (
	"bytes"
	"encoding/xml"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	header = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	prefix = "t" // of our namespace
	xmlNS  = "http://www.w3.org/XML/1998/namespace"
	// maxValue bounds one text or attribute that we write, in bytes.
	maxValue = 4096
)

// write is the document with this root.
func write(root *element) []byte {
	b := bytes.NewBuffer(make([]byte, 0, 4096))
	b.WriteString(header)
	writeElement(b, root, "", true)
	b.WriteByte('\n')
	return b.Bytes()
}

// writeElement writes e where space is the default namespace.
func writeElement(b *bytes.Buffer, e *element, space string, root bool) {
	name := e.name.Local
	if e.name.Space == Namespace && !root {
		name = prefix + ":" + name
	}
	b.WriteByte('<')
	b.WriteString(name)
	if e.name.Space != space && (e.name.Space != Namespace || root) {
		space = e.name.Space
		writeAttr(b, "xmlns", space)
	}
	if root {
		writeAttr(b, "xmlns:"+prefix, Namespace)
	}
	for i, a := range e.attrs {
		writeAttr(b, attrName(b, a.Name, i), a.Value)
	}
	if len(e.children) == 0 && e.text == "" {
		b.WriteString("/>")
		return
	}
	b.WriteByte('>')
	escape(b, e.text, false)
	for _, c := range e.children {
		writeElement(b, c, space, false)
	}
	b.WriteString("</")
	b.WriteString(name)
	b.WriteByte('>')
}

// attrName is how an attribute is called here; the namespaces of strangers get a prefix.
func attrName(b *bytes.Buffer, n xml.Name, i int) string {
	switch n.Space {
	case "":
		return n.Local
	case Namespace:
		return prefix + ":" + n.Local
	case xmlNS:
		return "xml:" + n.Local
	}
	p := "a" + strconv.Itoa(i)
	writeAttr(b, "xmlns:"+p, n.Space)
	return p + ":" + n.Local
}

func writeAttr(b *bytes.Buffer, name, value string) {
	b.WriteByte(' ')
	b.WriteString(name)
	b.WriteString(`="`)
	escape(b, value, true)
	b.WriteByte('"')
}

// escape writes s so that a parser gives it back. What XML 1.0 cannot say becomes U+FFFD.
func escape(b *bytes.Buffer, s string, attribute bool) {
	if simple(s) {
		b.WriteString(s)
		return
	}
	for _, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '"' && attribute:
			b.WriteString("&quot;")
		case r == '\r', attribute && (r == '\n' || r == '\t'): // a parser would make something else of them
			b.WriteString("&#" + strconv.Itoa(int(r)) + ";")
		case !legal(r):
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
	}
}

// simple says whether s is ASCII that stands for itself.
func simple(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7F || c == '&' || c == '<' || c == '>' || c == '"' {
			return false
		}
	}
	return true
}

// legal says whether r is a Char of XML 1.0 §2.2.
func legal(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= utf8.MaxRune
}

// clean is s as it will be read back, at most maxValue bytes of it.
func clean(s string) string {
	for len(s) > maxValue {
		_, n := utf8.DecodeLastRuneInString(s[:maxValue+1])
		s = s[:maxValue+1-n]
	}
	if simple(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if !legal(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

package rfc4575

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Bounds of what is read.
const (
	maxDepth    = 32      // elements in each other
	maxElements = 500_000 // some ten thousand participants
)

// reader makes elements of the tokens of a document.
type reader struct {
	root  *element
	open  []*element
	texts [][]byte // of the open ones
	count int
}

// read parses a document from the network. Entities, document types and what is too large or too deep are errors.
func read(text []byte) (*element, error) {
	if len(text) > maxDocument {
		return nil, fmt.Errorf("rfc4575: document of %d bytes, more than %d", len(text), maxDocument)
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	var r reader
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = r.take(token)
		}
		if err != nil {
			return nil, fmt.Errorf("rfc4575: %w", err)
		}
	}
	if r.root == nil || r.root.name != (xml.Name{Space: namespace, Local: "conference-info"}) {
		return nil, errors.New("rfc4575: not a conference-info document")
	}
	return r.root, nil
}

func (r *reader) take(token xml.Token) error {
	switch token := token.(type) {
	case xml.Directive:
		return errors.New("a document type is not allowed")
	case xml.StartElement:
		return r.start(token)
	case xml.EndElement:
		last := len(r.open) - 1
		e := r.open[last]
		if e.text = string(r.texts[last]); len(e.children) > 0 || strings.TrimSpace(e.text) == "" {
			e.text = "" // white space between children
		}
		r.open, r.texts = r.open[:last], r.texts[:last]
	case xml.CharData:
		if last := len(r.open) - 1; last >= 0 {
			r.texts[last] = append(r.texts[last], token...)
		}
	}
	return nil
}

func (r *reader) start(token xml.StartElement) error {
	if r.count++; r.count > maxElements || len(r.open) == maxDepth {
		return fmt.Errorf("more than %d elements, or %d in each other", maxElements, maxDepth)
	}
	e := &element{name: token.Name, attrs: attributes(token.Attr)}
	if len(r.open) > 0 {
		r.open[len(r.open)-1].add(e)
	} else {
		r.root = e
	}
	r.open, r.texts = append(r.open, e), append(r.texts, nil)
	return nil
}

// attributes are all but the declarations of namespaces.
func attributes(all []xml.Attr) []xml.Attr {
	return slices.DeleteFunc(slices.Clone(all), func(a xml.Attr) bool {
		return a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns"
	})
}

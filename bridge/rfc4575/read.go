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

const maxDepth = 32 // elements in each other

// read parses a document from the network. Entities, document types and what is too large or too deep are errors.
func read(text []byte) (*element, error) {
	if len(text) > maxDocument {
		return nil, fmt.Errorf("rfc4575: document of %d bytes, more than %d", len(text), maxDocument)
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	var root *element
	var open []*element
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("rfc4575: %w", err)
		}
		switch token := token.(type) {
		case xml.Directive:
			return nil, errors.New("rfc4575: a document type is not allowed")
		case xml.StartElement:
			if len(open) == maxDepth {
				return nil, fmt.Errorf("rfc4575: more than %d elements in each other", maxDepth)
			}
			e := &element{name: token.Name, attrs: attributes(token.Attr)}
			if len(open) == 0 {
				root = e
			} else {
				open[len(open)-1].add(e)
			}
			open = append(open, e)
		case xml.EndElement:
			finish(open[len(open)-1])
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(token)
			}
		}
	}
	if root == nil || root.name != (xml.Name{Space: namespace, Local: "conference-info"}) {
		return nil, errors.New("rfc4575: not a conference-info document")
	}
	return root, nil
}

// attributes are all but the declarations of namespaces.
func attributes(all []xml.Attr) []xml.Attr {
	return slices.DeleteFunc(slices.Clone(all), func(a xml.Attr) bool {
		return a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns"
	})
}

// finish drops the white space between children.
func finish(e *element) {
	if len(e.children) > 0 || strings.TrimSpace(e.text) == "" {
		e.text = ""
	}
}

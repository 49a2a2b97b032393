package rfc4575

import (
	"slices"
	"strconv"
)

// This file says what RFC 4575 says of its elements: which have a state attribute and can be told in part, by what key
// those are found of which there may be several, and in what order they stand.

// hasState says whether a child of parent may have a state attribute.
func hasState(parent string, e *element) bool {
	if e.name.Space != namespace {
		return false
	}
	switch e.name.Local {
	case "conference-info", "users", "user", "endpoint", "sidebars-by-val":
		return true
	case "entry":
		return parent == "sidebars-by-val"
	}
	return isURIs(e)
}

// isURIs says whether e is of the uris-type: never empty, even when it is deleted.
func isURIs(e *element) bool {
	switch e.name.Local {
	case "conf-uris", "service-uris", "associated-aors", "sidebars-by-ref", "uris":
		return e.name.Space == namespace
	}
	return false
}

// keyOf is what tells e from its siblings of the same name, "" where there is only one.
func keyOf(parent string, e *element) string {
	if e.name.Space != namespace {
		return ""
	}
	switch e.name.Local {
	case "user", "endpoint":
		return e.attr("entity")
	case "media":
		return e.attr("id")
	case "entry":
		switch parent {
		case "sidebars-by-val":
			return e.attr("entity")
		case "available-media":
			return e.attr("label")
		case "roles":
			return e.text
		}
		return e.child("uri")
	}
	return ""
}

// identities are names for the children of e by which they are found in another version of e.
func identities(e *element) []string {
	seen := map[string]int{}
	ids := make([]string, len(e.children))
	for i, c := range e.children {
		id := c.name.Space + " " + c.name.Local + " " + keyOf(e.name.Local, c)
		seen[id]++
		if n := seen[id]; n > 1 {
			id += " " + strconv.Itoa(n) // of strangers, who may repeat what has no key
		}
		ids[i] = id
	}
	return ids
}

// order is that of the schema; no two types of it disagree.
func order() []string {
	return []string{
		"conference-description", "host-info", "conference-state", "users", "user", "sidebars-by-ref", "sidebars-by-val",
		"display-text", "associated-aors", "roles", "languages", "cascaded-focus", "endpoint",
		"referred", "status", "joining-method", "joining-info", "disconnection-method", "disconnection-info", "media", "call-info",
		"entry",
	}
}

// rank is the place of e among its siblings. What is not of RFC 4575 comes last.
func rank(names []string, e *element) int {
	if i := slices.Index(names, e.name.Local); i >= 0 && e.name.Space == namespace {
		return i
	}
	return len(names)
}

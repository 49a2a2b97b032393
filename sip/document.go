package sip

import (
	"tutti/bridge"
	"tutti/bridge/rfc4575"
)

// documents are those of RFC 4575 as any participant may see them: without telephone numbers (event.Document).
type documents struct{}

func (documents) Full(s *bridge.State, version uint32) ([]byte, error) {
	return rfc4575.Full(s, version, bridge.Viewer{})
}

func (documents) Partial(prev, now *bridge.State, version uint32) ([]byte, bool) {
	return rfc4575.Partial(prev, now, version, bridge.Viewer{})
}

package webrtc

import (
	"context"
	"encoding/json"

	"tutti/bridge"
	"tutti/mixer/plan"
)

// command finds the request that is a command about the conference, carried out on behalf of the page's participant.
func command(name string) (request, bool) {
	switch name {
	case "mute":
		return order(func(p whoParams) bridge.Command { return bridge.Mute{User: p.Participant, On: true} }), true
	case "unmute":
		return order(func(p whoParams) bridge.Command { return bridge.Mute{User: p.Participant} }), true
	case "video":
		return order(func(p switchParams) bridge.Command { return bridge.Video{User: p.Participant, On: p.On} }), true
	case "hand":
		return order(func(p switchParams) bridge.Command { return bridge.Hand{User: p.Participant, On: p.On} }), true
	case "rename":
		return order(func(p nameParams) bridge.Command { return bridge.Rename{Name: p.Name} }), true
	case "chat":
		return order(func(p chatParams) bridge.Command { return bridge.Chat{To: p.To, Text: p.Text} }), true
	case "dial":
		return (*socket).dial, true
	case "expel":
		return order(func(p whoParams) bridge.Command { return bridge.Expel{User: p.Participant} }), true
	case "lock":
		return order(func(p lockParams) bridge.Command { return bridge.Lock{On: p.On} }), true
	case "layout":
		return order(func(p layoutParams) bridge.Command { return bridge.SetLayout{Layout: p.Layout} }), true
	case "spotlight":
		return order(func(p whoParams) bridge.Command { return bridge.Spotlight{User: p.Participant} }), true
	}
	return nil, false
}

// Parameters of commands.
type (
	whoParams struct {
		Participant bridge.UserID `json:"participant"`
	}
	switchParams struct {
		Participant bridge.UserID `json:"participant"`
		On          bool          `json:"on"`
	}
	nameParams struct {
		Name string `json:"name"`
	}
	chatParams struct {
		To   bridge.UserID `json:"to"`
		Text string        `json:"text"`
	}
	dialParams struct {
		Target string `json:"target"`
		Name   string `json:"name"`
	}
	dialResult struct {
		Participant bridge.UserID `json:"participant"`
	}
	lockParams struct {
		On bool `json:"on"`
	}
	layoutParams struct {
		Layout plan.Layout `json:"layout"`
	}
)

// order makes a request of a command; the bridge judges the values.
func order[P any](build func(P) bridge.Command) request {
	return func(k *socket, ctx context.Context, raw json.RawMessage) (any, func() error, error) {
		p, err := params[P](raw)
		if err != nil {
			return nil, nil, err
		}
		l, err := k.member()
		if err != nil {
			return nil, nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, joinTime)
		defer cancel()
		return none{}, nil, l.Do(ctx, build(p))
	}
}

// dial calls somebody into the conference.
func (k *socket) dial(ctx context.Context, raw json.RawMessage) (any, func() error, error) {
	p, err := params[dialParams](raw)
	if err != nil {
		return nil, nil, err
	}
	l, err := k.member()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	who, err := l.Dial(ctx, p.Target, p.Name)
	return dialResult{who}, nil, err
}

// member is the page's leg. The error says that there is none yet.
func (k *socket) member() (leg, error) {
	if k.session != nil {
		if l := k.session.current(); l != nil {
			return l, nil
		}
	}
	return nil, badParams("you are not in the conference yet")
}

package bridge

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tutti/mixer"
	"tutti/mixer/plan"
)

// Leg is the bridge's side of a member's session. Its methods may be called from any goroutine.
type Leg struct {
	id         plan.LegID
	token      string
	moved      atomic.Bool // to another conference than it joined
	kind       LegKind
	method     JoiningMethod
	source     string
	conference atomic.Pointer[Conference] // that it is in; only moveTo changes it
	done       chan struct{}

	mu    sync.Mutex // guards the fields below, and that no stream is attached after Leave
	user  UserID
	began time.Time // of the set-up; zero when it is complete, or its beginning unknown
	actor Actor     // nil while the Dialer has not answered
	hung  *Reason   // told to hang up; only once
	late  *time.Timer
	left  bool
	lines lines
	pace  pace
}

func newLeg(c *Conference, id plan.LegID, user UserID, r JoinRequest) *Leg {
	l := &Leg{
		id: id, token: rand.Text(), kind: r.Kind, method: r.Method, source: r.Source, done: make(chan struct{}),
		user: user, began: r.Began, actor: r.Actor,
	}
	l.conference.Store(c)
	return l
}

// in is the conference that the leg is in.
func (l *Leg) in() *Conference { return l.conference.Load() }

func newLegID() plan.LegID { return plan.LegID(strings.ToLower(rand.Text())) }

// newUserID is short, for people type it; it only has to be unique in its conference.
func newUserID() UserID { return UserID(strings.ToLower(rand.Text()[:10])) }

func newDial(target, name string) Dial {
	return Dial{Target: target, Name: name, User: newUserID(), Leg: newLegID()}
}

// ID names the leg. It is unguessable and never reused.
func (l *Leg) ID() plan.LegID { return l.id }

// Token lets the same person replace this leg by another (JoinRequest.Resume).
func (l *Leg) Token() string { return l.token }

// User is the participant whose leg this is.
func (l *Leg) User() UserID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.user
}

func (l *Leg) setUser(u UserID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.user = u
}

// Conference is the conference that the leg is in: the one that it joined, or was transferred to.
func (l *Leg) Conference() *Conference { return l.in() }

// Attach tells the media plane and the roster what was negotiated; again after each renegotiation. See mixer.Mixer.Attach.
// It answers a call out. After Leave the error is a *Refusal.
func (l *Leg) Attach(streams []mixer.Stream) ([]mixer.Inlet, error) {
	inlets, err := l.attach(streams)
	if err == nil {
		l.in().bridge.complete(l, time.Now()) // of a call out
		l.in().happened(mediaChanged{l.id, mediaOf(streams)}, mayLose)
	}
	return inlets, err
}

func (l *Leg) attach(streams []mixer.Stream) ([]mixer.Inlet, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left {
		return nil, refuseGone()
	}
	return l.lines.attach(l.in().mixer, l.id, streams)
}

// mediaOf is what the roster shows of streams.
func mediaOf(streams []mixer.Stream) []Media {
	media := make([]Media, 0, len(streams))
	for _, s := range streams {
		m := Media{ID: s.ID, Type: s.Kind.String(), Content: contentOf(s), Status: statusOf(s), Codec: codecOf(s), Label: labelOf(s)}
		if s.Send != nil {
			m.SrcID = s.Send.SSRC
		}
		media = append(media, m)
	}
	return media
}

// labelOf says which of the conference's media it is.
func labelOf(s mixer.Stream) string {
	if s.Kind == mixer.Video && s.Content == plan.Slides {
		return string(plan.Slides)
	}
	return s.Kind.String()
}

func contentOf(s mixer.Stream) plan.Content {
	if s.Content == "" {
		return plan.MainContent
	}
	return s.Content
}

// statusOf is the direction as the far end sees it.
func statusOf(s mixer.Stream) MediaStatus {
	switch sends, receives := len(s.Receive) > 0, s.Send != nil; {
	case sends && receives:
		return SendRecv
	case sends:
		return SendOnly
	case receives:
		return RecvOnly
	}
	return Inactive
}

// codecOf is the format that we send or, where we send nothing, the first that we take.
func codecOf(s mixer.Stream) string {
	if s.Send != nil && s.Send.Audio != nil {
		return s.Send.Audio.Name
	}
	if s.Send != nil && s.Send.Video != nil {
		return s.Send.Video.Name
	}
	for _, p := range s.Receive {
		if p.Audio != nil {
			return p.Audio.Name
		}
		if p.Video != nil {
			return p.Video.Name
		}
	}
	return ""
}

// SetStatus tells the roster about the life of the call.
func (l *Leg) SetStatus(s Status) { l.in().happened(statusChanged{l.id, s}, mayLose) }

// Press is a DTMF key that came by signalling (INFO); keys in RTP are noticed by the mixer.
func (l *Leg) Press(key rune) { l.in().happened(pressed{l.id, key}, mayLose) }

// RequestKeyFrame is a far end's wish for a key frame that came by signalling (RFC 5168).
func (l *Leg) RequestKeyFrame(stream string) { l.in().mixer.RequestKeyFrame(l.id, stream) }

// Leave takes the leg out of the conference. Only the first call counts.
func (l *Leg) Leave(r Reason) { l.leave(r, false) }

func (l *Leg) leave(r Reason, atOnce bool) {
	if !l.finish() {
		return
	}
	l.in().happened(leave{l.id, r, atOnce}, mustKeep)
}

// abandon is Leave when the conference is no longer there to hear of it.
func (l *Leg) abandon() { l.finish() }

// finish ends all that the leg holds, once.
func (l *Leg) finish() bool {
	l.mu.Lock()
	if l.left {
		l.mu.Unlock()
		return false
	}
	l.left = true
	if l.late != nil {
		l.late.Stop()
	}
	l.in().mixer.Detach(l.id)
	l.mu.Unlock()
	l.in().bridge.exit(l)
	close(l.done)
	return true
}

// Done is closed when the leg has left.
func (l *Leg) Done() <-chan struct{} { return l.done }

// Do carries out a command on behalf of the leg's user: mute self, chat, dial. The error is a *Refusal or the end of ctx.
//
// Who asks for more than a person can (a burst of 40, then 10 a second) is told to wait.
func (l *Leg) Do(ctx context.Context, command Command) error {
	if !l.mayAsk(time.Now()) {
		return refuseHaste()
	}
	return l.in().do(ctx, Caller{User: l.User()}, command)
}

func (l *Leg) mayAsk(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pace.take(now)
}

// Dial calls target into the conference on behalf of the leg's user, and says as whom the roster shows it.
func (l *Leg) Dial(ctx context.Context, target, name string) (UserID, error) {
	d := newDial(target, name)
	return d.User, l.Do(ctx, d)
}

// hangup tells the actor, once; or later, if the dialer has not answered yet. A leg that does not leave in time is
// taken to have left.
func (l *Leg) hangup(r Reason) {
	l.mu.Lock()
	if l.hung != nil || l.left {
		l.mu.Unlock()
		return
	}
	l.hung = &r
	l.late = time.AfterFunc(drainTime, func() { l.Leave(r) })
	actor := l.actor
	l.mu.Unlock()
	if actor != nil {
		actor.Hangup(r)
	}
}

// act gives a leg that is called its actor.
func (l *Leg) act(a Actor) {
	l.mu.Lock()
	l.actor = a
	hung := l.hung
	l.mu.Unlock()
	if hung != nil && a != nil {
		a.Hangup(*hung)
	}
}

package bridge

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"tutti/mixer"
)

// tape is a wire that keeps what it is sent.
type tape struct {
	mu      sync.Mutex
	packets []rtp.Header
	control [][]byte
}

func (w *tape) WriteRTP(h *rtp.Header, _ []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.packets = append(w.packets, *h)
	return nil
}

func (w *tape) WriteRTCP(p []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.control = append(w.control, append([]byte(nil), p...))
	return nil
}

func (w *tape) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.packets)
}

func (w *tape) all() ([]rtp.Header, [][]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.packets), slices.Clone(w.control)
}

// A transfer takes the far end along without its noticing: sequence numbers and timestamps go on, no BYE is sent.
func TestTransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{Domain: "host"})
		wire := &tape{}
		stream := phoneStream()
		stream.Wire = wire
		ada, told := enter(t, b, "8001", "Ada")
		bob, _ := enter(t, b, "8001", "Bob")
		inlets, err := ada.Attach([]mixer.Stream{stream})
		if err != nil {
			t.Fatal(err)
		}
		w := ada.Watch()
		if _, _, err := w.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		before := wire.len()
		if before < 40 {
			t.Fatalf("%d packets in a second", before)
		}
		if err := bob.Do(t.Context(), Transfer{User: ada.User(), Conference: "8002"}); ruleOf(err) != RuleRole {
			t.Fatalf("bob transfers ada: %v", err)
		}
		if err := ada.Do(t.Context(), Transfer{Conference: "8002"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		time.Sleep(time.Second)
		if ada.Conference().Name() != "8002" || len(told.told) != 0 {
			t.Fatalf("ada is in %s and was told %+v", ada.Conference().Name(), told.told)
		}
		first, _ := b.Conference("8001")
		second, _ := b.Conference("8002")
		if first.State().Len() != 1 || second.State().Connected() != 1 {
			t.Errorf("%d in the first, %d in the second", first.State().Len(), second.State().Connected())
		}
		e := second.State().User(ada.User()).Endpoints[0]
		if e.Leg != ada.ID() || len(e.Media) != 1 || e.JoiningInfo().Reason != "transferred from 8001" {
			t.Errorf("endpoint %+v", e)
		}
		if wire.len() < before+40 {
			t.Errorf("%d packets after the transfer", wire.len()-before)
		}
		packets, control := wire.all()
		for i := 1; i < len(packets); i++ {
			last, p := packets[i-1], packets[i]
			step := p.Timestamp - last.Timestamp
			if p.SequenceNumber != last.SequenceNumber+1 || step == 0 || step > 8000 || p.SSRC != last.SSRC {
				t.Fatalf("packet %d: %d %d after %d %d", i, p.SequenceNumber, p.Timestamp, last.SequenceNumber, last.Timestamp)
			}
		}
		for _, p := range control {
			if hasBye(p) {
				t.Errorf("a BYE was sent: %x", p)
			}
		}
		prev, cur, err := w.Next(t.Context())
		if err != nil || cur.Conference.Name != "8002" || prev.Conference.Name != "8001" {
			t.Errorf("the watcher sees %v, %v", cur, err)
		}

		// A renegotiation keeps the inlets, which lead to the new mixer.
		again, err := ada.Attach([]mixer.Stream{stream})
		if err != nil || again[0] != inlets[0] {
			t.Errorf("attached again: %v, %v", again, err)
		}
		packet, _ := (&rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 7, SequenceNumber: 9}, Payload: make([]byte, 160)}).Marshal()
		inlets[0].ReceiveRTP(mixer.Packet{Data: packet, At: time.Now()})
		received := uint64(0)
		for _, l := range second.MixerStats().Legs {
			for _, s := range l.Streams {
				received += s.Received.Packets
			}
		}
		time.Sleep(time.Second)
		for _, l := range second.MixerStats().Legs {
			for _, s := range l.Streams {
				received += s.Received.Packets
			}
		}
		if received == 0 {
			t.Error("what comes does not reach the new mixer")
		}

		// Who comes back with a token comes to where they were brought.
		back, err := b.Join(t.Context(), JoinRequest{Conference: "8001", Kind: WebRTC, Resume: ada.Token(), Actor: told})
		if err != nil || back.Conference() != second || back.User() != ada.User() {
			t.Errorf("back in %v, %v", back, err)
		}
		synctest.Wait()
		back.Leave(Reason{Method: Departed})
		bob.Leave(Reason{Method: Departed})
	})
}

// hasBye says whether a compound RTCP packet has a BYE (203) in it.
func hasBye(p []byte) bool {
	for len(p) >= 4 {
		if p[1] == 203 {
			return true
		}
		n := 4 * (int(p[2])<<8 + int(p[3]) + 1)
		if n > len(p) {
			return false
		}
		p = p[n:]
	}
	return false
}

// A transfer that is refused leaves everybody where they were, and they may try again.
func TestRefusedTransferChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{Conferences: []Definition{{Name: "safe", PIN: "1234"}}})
		wire := &tape{}
		stream := phoneStream()
		stream.Wire = wire
		ada, told := enter(t, b, "8001", "Ada")
		eve, _ := enter(t, b, "8002", "Eve")
		if _, err := ada.Attach([]mixer.Stream{stream}); err != nil {
			t.Fatal(err)
		}
		if err := b.Do(t.Context(), "8002", Operator("test"), Lock{On: true}); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"8002": RuleLocked, "8001": RuleInvalid, "a b": RuleName, "safe": RulePIN} {
			if err := ada.Do(t.Context(), Transfer{Conference: name}); ruleOf(err) != want {
				t.Errorf("transfer to %s: %v, want %s", name, err, want)
			}
			synctest.Wait()
		}
		time.Sleep(time.Second)
		if ada.Conference().Name() != "8001" || len(told.told) != 0 || wire.len() < 40 {
			t.Errorf("ada is in %s, %d packets", ada.Conference().Name(), wire.len())
		}
		if _, err := b.Conference("safe"); err == nil {
			t.Error("a conference was left behind")
		}
		if err := ada.Do(t.Context(), Transfer{Conference: "safe", PIN: "1234"}); err != nil {
			t.Error(err)
		}
		ada.Leave(Reason{Method: Departed})
		eve.Leave(Reason{Method: Departed})
	})
}

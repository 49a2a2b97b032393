package transport

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

func incoming(method, branch string) []byte {
	return sip(
		method+" sip:bob@192.0.2.1 SIP/2.0",
		"Via: SIP/2.0/UDP 10.0.0.5:5060;rport;branch="+branch,
		"Max-Forwards: 70", "From: <sip:alice@example.com>;tag=a1", "To: <sip:bob@example.com>",
		"Call-ID: c1", "CSeq: 1 "+method, "Content-Length: 0")
}

// keep is a handler that hands requests to the test.
type keep chan *Request

func (k keep) Request(r *Request) { k <- r }

func TestInviteIsAnsweredTryingAndRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(keep, 10)
		l, s := overMem(t, got)
		s.in <- incoming("INVITE", "z9hG4bK1")
		synctest.Wait()
		r := <-got
		if sent := lines(s.take()); sent != "" {
			t.Errorf("answered %q at once, want silence for 200 ms", sent)
		}
		time.Sleep(300 * time.Millisecond)
		if sent := lines(s.take()); sent != "100 Trying" {
			t.Errorf("sent %q, want 100", sent)
		}
		s.in <- incoming("INVITE", "z9hG4bK1") // a copy gets the newest answer
		synctest.Wait()
		if sent := lines(s.take()); sent != "100 Trying" || len(got) != 0 {
			t.Errorf("a copy was answered %q and reached the handler %d times", sent, len(got))
		}
		if err := r.Tx.Respond(r.Response(486, "Busy Here")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(8 * time.Second) // 0, 0.5, 1.5, 3.5, 7.5 s: timer G
		if sent := s.take(); len(sent) != 5 {
			t.Errorf("refused %d times in 8 s, want 5", len(sent))
		}
		s.in <- incoming("ACK", "z9hG4bK1")
		time.Sleep(4 * time.Second)
		if sent := lines(s.take()); sent != "" || len(got) != 0 {
			t.Errorf("after the ACK: sent %q, handler saw %d", sent, len(got))
		}
		select {
		case <-r.Tx.Done():
			t.Error("ended before timer I")
		default:
		}
		time.Sleep(2 * time.Second) // timer I is 5 s
		<-r.Tx.Done()
		if c := l.Counters(); c.ServerTransactions != 0 || len(l.sources) != 0 || len(l.merging) != 0 {
			t.Errorf("something is kept: %+v", c)
		}
	})
}

func TestInviteGivesUpWaitingForAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(keep, 10)
		_, s := overMem(t, got)
		s.in <- incoming("INVITE", "z9hG4bK1")
		r := <-got
		_ = r.Tx.Respond(r.Response(486, "Busy Here"))
		began := time.Now()
		<-r.Tx.Done()
		if took := time.Since(began); took != 32*time.Second {
			t.Errorf("timer H took %v, want 32 s", took)
		}
		if n := len(s.take()); n != 11 { // 0 0.5 1.5 3.5 7.5 11.5 … 31.5
			t.Errorf("answered %d times, want 11", n)
		}
		if err := r.Tx.Respond(r.Response(200, "OK")); !errors.Is(err, ErrState) {
			t.Errorf("Respond after the end = %v, want %v", err, ErrState)
		}
	})
}

// After a 2xx copies of the INVITE are absorbed, the dialog repeats the 2xx,
// and its ACK goes to the handler (RFC 6026).
func TestAcceptedInvite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(keep, 10)
		_, s := overMem(t, got)
		s.in <- incoming("INVITE", "z9hG4bK1")
		r := <-got
		_ = r.Tx.Respond(r.Response(200, "OK"))
		s.take()
		s.in <- incoming("INVITE", "z9hG4bK1")
		synctest.Wait()
		if sent := lines(s.take()); sent != "" || len(got) != 0 {
			t.Errorf("a copy was answered %q and reached the handler %d times", sent, len(got))
		}
		if err := r.Tx.Respond(r.Response(200, "OK")); err != nil {
			t.Errorf("second 2xx: %v", err)
		}
		if err := r.Tx.Respond(r.Response(486, "Busy")); !errors.Is(err, ErrState) {
			t.Errorf("refusal after a 2xx = %v, want %v", err, ErrState)
		}
		s.in <- incoming("ACK", "z9hG4bK2")
		synctest.Wait()
		if ack := <-got; ack.Method != sipmsg.ACK || ack.Tx != nil {
			t.Errorf("handler saw %v", ack)
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(keep, 10)
		_, s := overMem(t, got)
		s.in <- incoming("INVITE", "z9hG4bK1")
		r := <-got
		_ = r.Tx.Respond(r.Response(180, "Ringing"))
		ringing := s.take()
		select {
		case <-r.Tx.Cancelled():
			t.Fatal("cancelled before the CANCEL")
		default:
		}
		s.in <- incoming("CANCEL", "z9hG4bK1")
		synctest.Wait()
		<-r.Tx.Cancelled()
		answer := s.take()
		if lines(answer) != "200 OK" || toTag(t, answer[0]) != toTag(t, ringing[0]) {
			t.Errorf("CANCEL was answered %q; its To tag must be that of the 180", lines(answer))
		}
		_ = r.Tx.Respond(r.Response(487, "Request Terminated"))
		if end := s.take(); toTag(t, end[0]) != toTag(t, ringing[0]) {
			t.Error("487 has another To tag")
		}
		s.in <- incoming("CANCEL", "z9hG4bK9")
		synctest.Wait()
		if sent := s.take(); !strings.HasPrefix(lines(sent[len(sent)-1:]), "481") {
			t.Errorf("CANCEL of nothing was answered %q", lines(sent))
		}
		if len(got) != 0 {
			t.Error("CANCEL reached the handler")
		}
	})
}

func toTag(t *testing.T, d datagram) string {
	t.Helper()
	m, err := read([]byte(d.text))
	if err != nil || m.res == nil {
		t.Fatalf("no response: %q", d.text)
	}
	tag, ok := m.res.To().Params.Get("tag")
	if !ok {
		t.Errorf("no To tag in %q", d.text)
	}
	return tag
}

// The same request on two paths is answered once (§8.2.2.2).
func TestMergedRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(keep, 10)
		_, s := overMem(t, got)
		s.in <- incoming("INVITE", "z9hG4bK1")
		s.in <- incoming("INVITE", "z9hG4bK2")
		synctest.Wait()
		if sent := lines(s.take()); sent != "482 Loop Detected" || len(got) != 1 {
			t.Errorf("sent %q, handler saw %d", sent, len(got))
		}
	})
}

func TestClientTimesOut(t *testing.T) {
	tests := map[string]struct {
		method sipmsg.RequestMethod
		want   int // packets
	}{
		"INVITE":  {sipmsg.INVITE, 7},   // 0 0.5 1.5 3.5 7.5 15.5 31.5: timer A
		"OPTIONS": {sipmsg.OPTIONS, 11}, // 0 0.5 1.5 3.5 7.5 11.5 … 31.5: timer E
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, s := overMem(t, nil)
				began := time.Now()
				tx, err := l.Send(t.Context(), newRequest(tt.method, 1), Target{Addr: s.peer})
				if err != nil {
					t.Fatal(err)
				}
				for range tx.Responses() {
				}
				if !errors.Is(tx.Err(), ErrTimeout) || time.Since(began) != 32*time.Second {
					t.Errorf("Err() = %v after %v", tx.Err(), time.Since(began))
				}
				if n := len(s.take()); n != tt.want {
					t.Errorf("sent %d packets, want %d", n, tt.want)
				}
			})
		})
	}
}

// reply answers the first request in ds.
func reply(t *testing.T, ds []datagram, code int, reason string) []byte {
	t.Helper()
	m, err := read([]byte(ds[0].text))
	if err != nil || m.req == nil {
		t.Fatalf("no request: %q", lines(ds))
	}
	return marshal(respond(m.raw, m.req, code, reason, "b1"))
}

func TestClientAcknowledgesRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := overMem(t, nil)
		tx, _ := l.Send(t.Context(), newRequest(sipmsg.INVITE, 1), Target{Addr: s.peer})
		invite := s.take()
		s.in <- reply(t, invite, 180, "Ringing")
		time.Sleep(time.Minute) // rings; nothing is repeated
		if sent := s.take(); len(sent) != 0 {
			t.Errorf("sent %q while it rings", lines(sent))
		}
		for range 2 { // the second is a copy: our ACK was lost
			s.in <- reply(t, invite, 486, "Busy Here")
		}
		synctest.Wait()
		acks := s.take()
		if lines(acks) != "ACK sip:bob@127.0.0.1 SIP/2.0, ACK sip:bob@127.0.0.1 SIP/2.0" {
			t.Fatalf("sent %q, want two ACKs", lines(acks))
		}
		ack, _ := read([]byte(acks[0].text))
		first, _ := read([]byte(invite[0].text))
		if ack.req.Via().Value() != first.req.Via().Value() || !ack.req.To().Params.Has("tag") {
			t.Errorf("the ACK must have the Via of the INVITE and the To of the answer:\n%s", acks[0].text)
		}
		var codes []int
		for res := range tx.Responses() {
			codes = append(codes, res.StatusCode)
		}
		if len(codes) != 2 || codes[1] != 486 || tx.Err() != nil {
			t.Errorf("delivered %v, Err() = %v", codes, tx.Err())
		}
	})
}

// CANCEL waits for the first provisional answer (§9.1).
func TestClientCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := overMem(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		tx, _ := l.Send(ctx, newRequest(sipmsg.INVITE, 1), Target{Addr: s.peer})
		invite := s.take()
		cancel()
		synctest.Wait()
		if sent := s.take(); len(sent) != 0 {
			t.Errorf("sent %q before any answer", lines(sent))
		}
		s.in <- reply(t, invite, 180, "Ringing")
		synctest.Wait()
		sent := s.take()
		if lines(sent) != "CANCEL sip:bob@127.0.0.1 SIP/2.0" {
			t.Fatalf("sent %q, want CANCEL", lines(sent))
		}
		s.in <- reply(t, sent, 200, "OK")
		s.in <- reply(t, invite, 487, "Request Terminated")
		var last int
		for res := range tx.Responses() {
			last = res.StatusCode
		}
		if last != 487 {
			t.Errorf("last answer %d, want 487", last)
		}
		if sent := lines(s.take()); !strings.HasPrefix(sent, "ACK") {
			t.Errorf("sent %q, want ACK", sent)
		}
		if c := l.Counters(); c.ClientTransactions != 0 {
			t.Errorf("%d client transactions are left", c.ClientTransactions)
		}
	})
}

// A transaction whose responses nobody reads holds nothing up.
func TestUnreadResponses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := overMem(t, nil)
		tx, _ := l.Send(t.Context(), newRequest(sipmsg.INVITE, 1), Target{Addr: s.peer})
		invite := s.take()
		for range 90 {
			s.in <- reply(t, invite, 180, "Ringing")
		}
		synctest.Wait()
		s.in <- reply(t, invite, 200, "OK")
		time.Sleep(time.Minute)
		var last int
		for res := range tx.Responses() {
			last = res.StatusCode
		}
		if last != 200 {
			t.Errorf("last answer %d, want the 200", last)
		}
	})
}

package transport

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// start makes a layer that listens on loopback and closes with the test.
func start(t *testing.T, cfg Config, networks ...Network) *Layer {
	t.Helper()
	l := New(cfg)
	for _, n := range networks {
		if _, err := l.Listen(n, "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return l
}

// answer200 is a handler that likes everything.
func answer200(r *Request) {
	if r.Tx != nil {
		_ = r.Tx.Respond(r.Response(200, "OK"))
	}
}

func newRequest(method sipmsg.RequestMethod, cseq uint32) *sipmsg.Request {
	r := sipmsg.NewRequest(method, sipmsg.Uri{Scheme: "sip", User: "bob", Host: "127.0.0.1"})
	r.AppendHeader(&sipmsg.FromHeader{Address: sipmsg.Uri{Scheme: "sip", User: "alice", Host: "example.com"}, Params: sipmsg.HeaderParams{{K: "tag", V: "a1"}}})
	r.AppendHeader(&sipmsg.ToHeader{Address: sipmsg.Uri{Scheme: "sip", User: "bob", Host: "example.com"}})
	id := sipmsg.CallIDHeader(fmt.Sprintf("call-%d@example.com", cseq))
	r.AppendHeader(&id)
	r.AppendHeader(&sipmsg.CSeqHeader{SeqNo: cseq, MethodName: method})
	return r
}

func final(t *testing.T, tx *ClientTx) *sipmsg.Response {
	t.Helper()
	deadline := time.After(5 * time.Second)
	for {
		select {
		case res, ok := <-tx.Responses():
			if !ok {
				t.Fatalf("transaction ended without a final answer: %v", tx.Err())
			}
			if !res.IsProvisional() {
				return res
			}
		case <-deadline:
			t.Fatal("no final answer in 5 s")
		}
	}
}

func TestOptionsOverEveryNetwork(t *testing.T) {
	for _, network := range []Network{UDP, TCP} {
		t.Run(string(network), func(t *testing.T) {
			server := start(t, Config{Handler: HandlerFunc(answer200)}, network)
			client := start(t, Config{Handler: HandlerFunc(answer200)}, network)
			tx, err := client.Send(t.Context(), newRequest(sipmsg.OPTIONS, 1), Target{Network: network, Addr: server.Addrs(network)[0], Fixed: true})
			if err != nil {
				t.Fatal(err)
			}
			if res := final(t, tx); res.StatusCode != 200 || !res.To().Params.Has("tag") {
				t.Errorf("answer = %s, want 200 with a To tag", res)
			}
			if n := server.Counters().Received[network]; n < 1 { // a busy machine may see it twice
				t.Errorf("Received[%s] = %d, want it there", network, n)
			}
		})
	}
}

// A request that is too large for one packet goes over TCP where the peer
// listens there, and over UDP where it does not (RFC 3261 §18.1.1).
func TestLargeRequest(t *testing.T) {
	tests := map[string]struct {
		tcp   bool
		fixed bool
		want  Network
	}{
		"peer has TCP":         {tcp: true, want: TCP},
		"peer has only UDP":    {want: UDP},
		"network is asked for": {tcp: true, fixed: true, want: UDP},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			server := start(t, Config{Handler: HandlerFunc(answer200)}, UDP)
			addr := server.Addrs(UDP)[0]
			if tt.tcp {
				if _, err := server.Listen(TCP, addr.String()); err != nil {
					t.Skip("TCP port is taken: ", err)
				}
			}
			client := start(t, Config{Handler: HandlerFunc(answer200)}, UDP)
			req := newRequest(sipmsg.MESSAGE, 1)
			req.SetBody([]byte(strings.Repeat("large ", 500)))
			tx, err := client.Send(t.Context(), req, Target{Addr: addr, Fixed: tt.fixed})
			if err != nil {
				t.Fatal(err)
			}
			if res := final(t, tx); res.StatusCode != 200 {
				t.Fatalf("answer = %d, want 200", res.StatusCode)
			}
			if n := server.Counters().Received[tt.want]; n < 1 {
				t.Errorf("Received = %v, want it over %s", server.Counters().Received, tt.want)
			}
		})
	}
}

// sipgo's transaction layer reordered 148 of 1000; ours must not one.
func TestOrderOnOneConnection(t *testing.T) {
	const n = 1000
	got := make(chan uint32, n)
	server := start(t, Config{Handler: HandlerFunc(func(r *Request) {
		got <- r.CSeq().SeqNo
		answer200(r)
	})}, TCP)
	c := dialRaw(t, server.Addrs(TCP)[0])
	var all strings.Builder
	for i := range n {
		fmt.Fprintf(&all, "INFO sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKo%d\r\n"+
			"From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\nCall-ID: order\r\nCSeq: %d INFO\r\nMax-Forwards: 70\r\nContent-Length: 4\r\n\r\nbody", i, i+1)
	}
	go io.Copy(io.Discard, c)
	go c.Write([]byte(all.String()))
	for i := range uint32(n) {
		select {
		case seq := <-got:
			if seq != i+1 {
				t.Fatalf("request %d has CSeq %d", i+1, seq)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("only %d of %d requests arrived", i, n)
		}
	}
}

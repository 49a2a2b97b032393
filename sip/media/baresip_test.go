package media

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"

	"tutti/mixer"
	"tutti/sip/offer"
)

const baresipConfig = `sip_listen 127.0.0.1:%d
net_interface 127.0.0.1
rtp_ports 46000-46999
rtcp_mux %s
audio_source aubridge,x
audio_player aubridge,x
video_source fakevideo
video_display fakevideo
module_path /usr/lib/baresip/modules
module g711.so
module aubridge.so
module fakevideo.so
module vp8.so
module srtp.so
module dtls_srtp.so
module_tmp account.so
module_app menu.so
`

// baresip starts a phone with its SIP on port, 0 for any, and a command. The process ends with the test.
func baresip(t *testing.T, port uint16, account, mux, command string) {
	t.Helper()
	if testing.Short() {
		t.Skip("a real phone takes its time")
	}
	program, err := exec.LookPath("baresip")
	if err != nil {
		t.Skip("baresip is not installed")
	}
	directory := t.TempDir()
	for name, text := range map[string]string{
		"config": fmt.Sprintf(baresipConfig, port, mux), "accounts": "<sip:a@127.0.0.1>;regint=0" + account + "\n", "contacts": "",
	} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, program, "-f", directory, "-e", command)
	var log bytes.Buffer
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Logf("%s", log.Bytes())
		}
	})
}

func signalling(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// dialled starts a baresip that calls us, and returns its INVITE and a way to answer it.
func dialled(t *testing.T, encryption, mux string) (invite []byte, respond func(status string, body []byte)) {
	t.Helper()
	conn := signalling(t)
	baresip(t, 0, ";mediaenc="+encryption, mux, fmt.Sprintf("/dial sip:x@%v", conn.LocalAddr()))
	b := make([]byte, 65536)
	n, from, err := conn.ReadFromUDP(b)
	if err != nil {
		t.Fatalf("no INVITE: %v", err)
	}
	head, body, _ := bytes.Cut(b[:n], []byte("\r\n\r\n"))
	return body, func(status string, body []byte) {
		if _, err := conn.WriteToUDP(response(string(head), status, conn.LocalAddr(), body), from); err != nil {
			t.Fatal(err)
		}
	}
}

// call calls a baresip that answers by itself, with our offer, and returns its answer.
func call(t *testing.T, encryption, mux string, sdp []byte) []byte {
	t.Helper()
	free := signalling(t)
	to := free.LocalAddr().(*net.UDPAddr)
	_ = free.Close()
	conn := signalling(t)
	baresip(t, to.AddrPort().Port(), ";answermode=auto;mediaenc="+encryption, mux, "")
	request := func(method, tag string, body []byte) []byte {
		return fmt.Appendf(nil, "%s sip:a@%v SIP/2.0\r\nVia: SIP/2.0/UDP %v;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\nFrom: <sip:x@127.0.0.1>;tag=9\r\n"+
			"To: <sip:a@127.0.0.1>%s\r\nCall-ID: c@x\r\nCSeq: 1 %s\r\nContact: <sip:x@%v>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
			method, to, conn.LocalAddr(), method, tag, method, conn.LocalAddr(), len(body), body)
	}
	b := make([]byte, 65536)
	for range 50 { // until it has started
		if _, err := conn.WriteToUDP(request("INVITE", "", sdp), to); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		for {
			n, _, err := conn.ReadFromUDP(b)
			if err != nil {
				break
			}
			head, body, _ := bytes.Cut(b[:n], []byte("\r\n\r\n"))
			if !bytes.HasPrefix(head, []byte("SIP/2.0 2")) {
				continue
			}
			_, rest, _ := strings.Cut(string(head), "To: <sip:a@127.0.0.1>")
			tag, _, _ := strings.Cut(rest, "\r\n")
			if _, err := conn.WriteToUDP(request("ACK", tag, nil), to); err != nil {
				t.Fatal(err)
			}
			return bytes.Clone(body)
		}
	}
	t.Fatal("the call was not answered")
	return nil
}

// response copies what RFC 3261 §8.2.6.2 wants copied.
func response(head, status string, contact net.Addr, body []byte) []byte {
	var b strings.Builder
	b.WriteString("SIP/2.0 " + status + "\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		switch textproto.CanonicalMIMEHeaderKey(name) {
		case "To":
			line += ";tag=1"
			fallthrough
		case "Via", "From", "Call-Id", "Cseq":
			b.WriteString(line + "\r\n")
		}
	}
	fmt.Fprintf(&b, "Contact: <sip:x@%v>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", contact, len(body), body)
	return []byte(b.String())
}

// A real phone is heard and seen, and plays back what it hears: our packets pass its SRTP.
func TestBaresip(t *testing.T) {
	tests := map[string]struct {
		encryption, mux string
		want            offer.Protection
	}{
		"plain": {"", "no", offer.Unprotected}, "one port": {"", "yes", offer.Unprotected},
		"SDES": {"srtp-mand", "no", offer.SDES}, "opportunistic SDES": {"srtp", "yes", offer.SDES},
		"DTLS": {"dtls_srtp", "yes", offer.DTLS}, "DTLS on port pairs": {"dtls_srtp", "no", offer.DTLS},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			invite, respond := dialled(t, tt.encryption, tt.mux)
			cfg := secureConfig(t, 45000, 45999)
			cfg.Encryption = offer.Offered
			l := NewLeg(cfg, loopback)
			t.Cleanup(l.Close)
			answer, err := l.Answer(invite, Preferences{})
			if err != nil {
				t.Fatalf("%v\n%s", err, invite)
			}
			respond("200 OK", answer)
			if got := l.current.state.Media[0].Security.Kind; got != tt.want {
				t.Fatalf("protection = %v, want %v", got, tt.want)
			}
			meet(t, l)
		})
	}
}

// The same when we call: the phone answers what we offer.
func TestCallBaresip(t *testing.T) {
	tests := map[string]struct {
		encryption, mux string
		offered         offer.Encryption
		want            offer.Protection
	}{
		"plain": {"", "no", offer.Offered, offer.Unprotected}, "one port": {"", "yes", offer.Offered, offer.Unprotected},
		"keys refused": {"", "no", offer.Optional, offer.Unprotected}, "keys taken": {"srtp", "no", offer.Optional, offer.SDES},
		"SDES": {"srtp-mand", "yes", offer.Required, offer.SDES}, "DTLS": {"dtls_srtp", "yes", offer.RequiredDTLS, offer.DTLS},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := secureConfig(t, 48000, 48999)
			cfg.Encryption = tt.offered
			l := NewLeg(cfg, loopback)
			t.Cleanup(l.Close)
			sdp, err := l.Offer(Preferences{})
			if err != nil {
				t.Fatal(err)
			}
			answer := call(t, tt.encryption, tt.mux, sdp)
			if err := l.Complete(answer); err != nil {
				t.Fatalf("%v\n%s", err, answer)
			}
			if got := l.current.state.Media[0].Security.Kind; got != tt.want {
				t.Fatalf("protection = %v, want %v\n%s", got, tt.want, answer)
			}
			meet(t, l)
		})
	}
}

// meet exchanges sound and picture with a leg's far end.
func meet(t *testing.T, l *Leg) {
	t.Helper()
	if err := l.Ready(soon(t)); err != nil {
		t.Fatal(err)
	}
	streams := l.Streams()
	inlets := make([]mixer.Inlet, len(streams))
	heard := make([]*lastOf, len(streams))
	for i := range inlets {
		heard[i] = &lastOf{rtp: make(chan []byte, 1), rtcp: make(chan []byte, 1)}
		inlets[i] = heard[i]
	}
	l.Connect(inlets)
	poll(t, streams)
	for i := range streams {
		if p := payload(t, expect(t, heard[i].rtp)); p == "" {
			t.Errorf("%v: an empty packet", streams[i].Kind)
		}
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(15 * time.Second)
	h := &rtp.Header{Version: 2, PayloadType: streams[0].Send.PayloadType, SSRC: streams[0].Send.SSRC}
	loud := bytes.Repeat([]byte{0x90, 0x10}, 80) // PCMU, the sign changes with each sample
	for {
		select {
		case <-tick.C:
			h.SequenceNumber++
			h.Timestamp += 160
			if err := streams[0].Wire.WriteRTP(h, loud); err != nil {
				t.Fatal(err)
			}
		case p := <-heard[0].rtp:
			if strings.Contains(payload(t, p), string(loud[:32])) {
				return
			}
		case <-limit:
			t.Fatal("our sound does not come back")
		}
	}
}

// lastOf keeps one packet of each kind and drops what comes before it was taken.
type lastOf struct{ rtp, rtcp chan []byte }

func (o *lastOf) ReceiveRTP(p mixer.Packet)  { offerTo(o.rtp, p.Data) }
func (o *lastOf) ReceiveRTCP(p mixer.Packet) { offerTo(o.rtcp, p.Data) }

func offerTo(c chan []byte, p []byte) {
	select {
	case c <- bytes.Clone(p):
	default:
	}
}

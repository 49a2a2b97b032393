package e2e

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The flows that SIPp plays in package sip, against the built binary with the configuration of a person.
func TestFlowsOfSIP(t *testing.T) {
	b := newBridge(t, "")
	for _, scenario := range []string{"mlines", "lateoffer", "unfit", "cancel", "update", "hold", "info", "reliable"} {
		t.Run(scenario, func(t *testing.T) {
			b.sipp(t, scenario, "-m", "1")
			b.waitFor("8001", 0)
		})
	}
}

func TestOptionsSayWhatTheBridgeTakes(t *testing.T) {
	b := newBridge(t, "")
	c := b.caller("ada")
	defer c.close()
	c.send("OPTIONS", "", "", "Accept: application/sdp")
	res := c.final()
	if res.code != 200 {
		t.Fatalf("OPTIONS is answered %d", res.code)
	}
	for _, method := range []string{"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "PRACK"} {
		if !strings.Contains(res.field("Allow"), method) {
			t.Errorf("Allow: %s lacks %s", res.field("Allow"), method)
		}
	}
	for name, part := range map[string]string{"Accept": "application/sdp", "Supported": "timer"} {
		if !strings.Contains(res.field(name), part) {
			t.Errorf("%s: %q lacks %s", name, res.field(name), part)
		}
	}
}

// A description of many codecs does not fit into one packet of an Ethernet; by UDP it comes in fragments.
func TestLargeOfferOverUDP(t *testing.T) {
	b := newBridge(t, "")
	offer := plainOffer(40000)
	for i := range 30 {
		offer += fmt.Sprintf("a=x-feature-%d:%s\r\n", i, strings.Repeat("x", 60))
	}
	if len(offer) < 1500 {
		t.Fatalf("the offer has only %d bytes", len(offer))
	}
	c := b.caller("ada")
	defer c.close()
	res := c.invite(offer)
	c.ack(res)
	if res.code != 200 || !strings.Contains(res.body, "m=audio ") {
		t.Fatalf("answered %d\n%s", res.code, res.body)
	}
	b.waitFor("8001", 1)
	if res := c.bye(); res.code != 200 {
		t.Errorf("BYE is answered %d", res.code)
	}
	b.waitFor("8001", 0)
}

// A phone that lost a picture asks for a whole one by INFO (RFC 5168), and gets it.
func TestINFOBringsAKeyFrame(t *testing.T) {
	b := newBridge(t, "")
	alice := newPhone(t, b, phoneOptions{name: "alice", codec: "PCMU", tone: 440, video: "H264", colour: "red"})
	alice.dial(b.uri("8001"))
	video, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer video.Close()
	var keys, packets atomic.Int64
	go countKeyFrames(video, &keys, &packets)
	c := b.caller("ada")
	defer c.close()
	res := c.invite(plainOffer(40000) + fmt.Sprintf("m=video %d RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\na=fmtp:99 profile-level-id=42e01f;packetization-mode=1\r\n", video.LocalAddr().(*net.UDPAddr).Port))
	c.ack(res)
	if res.code != 200 {
		t.Fatalf("answered %d", res.code)
	}
	eventually(t, 15*time.Second, "the first key frame", func() bool { return keys.Load() > 0 })
	calm := func() (int64, int64) { // until no key frame came while the picture went on for a second
		for {
			before, from := keys.Load(), packets.Load()
			eventually(t, 15*time.Second, "pictures", func() bool { return packets.Load() > from+40 })
			if keys.Load() == before {
				return before, packets.Load()
			}
		}
	}
	before, _ := calm()
	c.send("INFO", "application/media_control+xml", `<?xml version="1.0"?><media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder></vc_primitive></media_control>`)
	if res := c.final(); res.code != 200 {
		t.Errorf("INFO is answered %d", res.code)
	}
	eventually(t, 5*time.Second, "a key frame after INFO", func() bool { return keys.Load() > before })
	c.bye()
}

// countKeyFrames reads RTP until the socket is closed and counts the beginnings of IDR pictures in H.264 (RFC 6184 §5).
func countKeyFrames(conn net.PacketConn, keys, packets *atomic.Int64) {
	const header, idr, stapA, fuA = 12, 5, 24, 28
	buf := make([]byte, 2048)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		skip := header + 4*int(buf[0]&0x0f)
		if n < skip+2 {
			continue
		}
		packets.Add(1)
		nal := buf[skip:n]
		switch kind := nal[0] & 0x1f; {
		case kind == idr, kind == stapA && len(nal) > 3 && nal[3]&0x1f == 7, // parameter sets come before an IDR picture
			kind == fuA && nal[1]&0x9f == 0x80|idr:
			keys.Add(1)
		}
	}
}

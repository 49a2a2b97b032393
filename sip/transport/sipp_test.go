package transport

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// An independent user agent sends OPTIONS and INVITE with CANCEL, and is
// satisfied with what it gets.
func TestSIPp(t *testing.T) {
	sipp, err := exec.LookPath("sipp")
	if err != nil {
		t.Skip("sipp is not installed")
	}
	if testing.Short() {
		t.Skip("runs another program")
	}
	server := start(t, Config{Handler: HandlerFunc(ringForEver)}, UDP, TCP)
	for name, arg := range map[Network]string{UDP: "u1", TCP: "t1"} {
		t.Run(string(name), func(t *testing.T) {
			dir := t.TempDir()
			scenario := filepath.Join(dir, "cancel.xml")
			if err := os.WriteFile(scenario, []byte(sippScenario), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, sipp, server.Addrs(name)[0].String(),
				"-sf", scenario, "-i", "127.0.0.1", "-t", arg, "-m", "100", "-r", "200", "-nostdin", "-trace_err", "-timeout", "20")
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("sipp: %v\n%s", err, tail(out, 3000))
			}
		})
	}
}

func tail(p []byte, n int) []byte { return p[max(0, len(p)-n):] }

// ringForEver answers INVITE 180 until it is cancelled, everything else 200.
func ringForEver(r *Request) {
	if r.Tx == nil || r.Method != "INVITE" {
		answer200(r)
		return
	}
	_ = r.Tx.Respond(r.Response(180, "Ringing"))
	go func() {
		select {
		case <-r.Tx.Cancelled():
			_ = r.Tx.Respond(r.Response(487, "Request Terminated"))
		case <-r.Tx.Done():
		}
	}()
}

const sippHead = ` sip:bob@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:sipp@[local_ip]>;tag=[call_number]
`

const sippScenario = `<?xml version="1.0"?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="options, then a cancelled call">
<send retrans="500"><![CDATA[
OPTIONS` + sippHead + `To: <sip:bob@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 OPTIONS
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="200"/>
<send retrans="500"><![CDATA[
INVITE` + sippHead + `To: <sip:bob@[remote_ip]>
Call-ID: [call_id]
CSeq: 2 INVITE
Contact: <sip:sipp@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="100" optional="true"/>
<recv response="180"/>
<send retrans="500"><![CDATA[
CANCEL sip:bob@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch-3]
From: <sip:sipp@[local_ip]>;tag=[call_number]
To: <sip:bob@[remote_ip]>
Call-ID: [call_id]
CSeq: 2 CANCEL
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="200"/>
<recv response="487"/>
<send><![CDATA[
ACK sip:bob@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch-6]
From: <sip:sipp@[local_ip]>;tag=[call_number]
To: <sip:bob@[remote_ip]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
</scenario>
`

package webrtc

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"tutti/mixer"
)

func TestScratchChromium(t *testing.T) {
	if os.Getenv("SCRATCH") == "" {
		t.Skip()
	}
	f := newFakeFocus()
	e := startEndpoint(t, f, Limits{})
	mux := http.NewServeMux()
	mux.Handle("/ws", e.Handler())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "/tmp/pw/page.html") })
	s := httptest.NewServer(mux)
	defer s.Close()
	go func() {
		for l := range f.legs {
			go func() {
				var cur []mixer.Stream
				seqs := map[string]uint16{}
				got := map[string]int{}
				ssrcs := map[string]uint32{}
				rt := map[string]int{}
				tick := time.NewTicker(time.Second)
				for {
					select {
					case st := <-l.attached:
						cur = st
						for _, x := range st {
							fmt.Printf("  attach %s %v %v recv=%d send=%+v fb=%+v lvl=%d\n", x.ID, x.Kind, x.Content, len(x.Receive), x.Send, x.Feedback, x.AudioLevel)
						}
					case p := <-l.rtcp:
						pk, _ := rtcp.Unmarshal(p.data)
						rt[fmt.Sprintf("%s %T %d", p.stream, pk[0], len(pk))]++
					case p := <-l.rtp:
						got[p.stream+"/"+p.rid]++
						ssrcs[p.stream+"/"+p.rid] = binary.BigEndian.Uint32(p.data[8:])
						for _, x := range cur {
							if x.ID == p.stream && x.Send != nil && (p.rid == "" || p.rid == "q") {
								var r rtp.Packet
								if r.Unmarshal(p.data) != nil {
									continue
								}
								seqs[x.ID]++
								h := rtp.Header{Version: 2, Marker: r.Marker, PayloadType: x.Send.PayloadType, SSRC: x.Send.SSRC, SequenceNumber: seqs[x.ID], Timestamp: r.Timestamp}
								x.Wire.WriteRTP(&h, r.Payload)
							}
						}
					case <-tick.C:
						fmt.Println("  got", got, rt)
						for _, x := range cur {
							if x.Kind == mixer.Video {
								for k, ss := range ssrcs {
									if strings.HasPrefix(k, x.ID+"/") {
										b, _ := (&rtcp.PictureLossIndication{MediaSSRC: ss}).Marshal()
										if err := x.Wire.WriteRTCP(b); err != nil {
											fmt.Println(err)
										}
									}
								}
							}
						}
					case r := <-l.left:
						fmt.Println("left", r)
						return
					}
				}
			}()
		}
	}()
	args := []string{"/tmp/pw/run.js", s.URL}
	args = append(args, strings.Fields(os.Getenv("SCRATCH"))...)
	c := exec.Command("node", args...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.Dir = "/tmp/pw"
	if err := c.Run(); err != nil {
		t.Error(err)
	}
	fmt.Println(e.Count())
}

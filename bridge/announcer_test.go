package bridge

import (
	"testing"
	"testing/synctest"

	"tutti/mixer"
	"tutti/mixer/plan"
)

// jukebox keeps what it is asked to play.
type jukebox chan PlayRequest

func (j jukebox) Play(r PlayRequest) { j <- r }

// What is played to one is heard by that one only, also in the lobby; what is played to all, by all but the lobby.
func TestWhoHearsAPrompt(t *testing.T) {
	h := gather(t, "ada", "bob", "eve")
	h.state.speaker = true
	ask := func(leg plan.LegID) plan.LegID {
		c := change{State: h.state, at: h.at}
		if !c.play(Play{Leg: leg, Prompts: []Prompt{PromptMuted}}) {
			t.Fatal("nothing is played")
		}
		h.state = c.State
		return c.effects[0].(Announce).Play.Source
	}
	heard := func(source plan.LegID) (legs []plan.LegID) {
		p := Plan(&h.state)
		for _, in := range p.Inputs {
			for _, row := range p.Rows {
				if in.Leg == source && gainOf(row, in) == 1 {
					legs = append(legs, row.Leg)
				}
			}
		}
		return legs
	}
	one, all := ask("bob"), ask("")
	if got := heard(one); len(got) != 1 || got[0] != "bob" {
		t.Errorf("a prompt for bob is heard by %v", got)
	}
	if got := heard(all); len(got) != 3 {
		t.Errorf("a prompt for all is heard by %v", got)
	}
	h.happens(0, announced{source: all})
	h.happens(0, leave{leg: "bob", reason: Reason{Method: Departed}})
	if len(h.state.Playing) != 1 || h.state.Playing[0].Leg != "" || len(h.did) != 2 || h.did[0].(Hush).Source != one { // and all hear that somebody left
		t.Errorf("after its only listener left: %+v, effects %+v", h.state.Playing, h.did)
	}
}

// An announcer is asked once, feeds the mixer like any other leg, and is told when nobody listens any more.
func TestAnnouncer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := make(jukebox, 10)
		b := New(Config{Policy: Policy{AdHoc: true}})
		b.SetAnnouncer(j)
		ada, _ := enter(t, b, "8001", "Ada")
		c := ada.Conference()
		play := func() {
			if err := c.do(t.Context(), Operator("test"), PlayFile{User: ada.User(), File: "song.wav"}); err != nil {
				t.Fatal(err)
			}
		}
		play()
		synctest.Wait()
		r := <-j
		if r.Leg != ada.ID() || r.Conference != "8001" || len(r.Prompts) != 1 || r.Prompts[0] != "file:song.wav" {
			t.Fatalf("asked for %+v", r)
		}
		source := phoneStream()
		source.Send = nil
		if inlets, err := r.Attach([]mixer.Stream{source}); err != nil || len(inlets) != 1 {
			t.Fatal(inlets, err)
		}
		if n := len(c.State().Playing); n != 1 {
			t.Fatalf("%d are played", n)
		}
		r.Done(nil)
		r.Done(nil)
		synctest.Wait()
		if n := len(c.State().Playing); n != 0 {
			t.Errorf("%d are played after the end", n)
		}
		if _, err := r.Attach(nil); ruleOf(err) != RuleEnded {
			t.Errorf("attach after the end: %v", err)
		}
		play()
		r = <-j
		ada.Leave(Reason{Method: Departed})
		<-r.Stop
		<-c.done
		b.stop(nil)
	})
}

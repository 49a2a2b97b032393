package bridge_test

import (
	"encoding/xml"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "tutti/bridge" //nolint:revive // this is a test of it
	"tutti/bridge/rfc4575"
	"tutti/mixer/plan"
)

// told is what the XML says, for comparison with what the page is told.
type told struct {
	Title  string `xml:"conference-description>display-text"`
	Locked bool   `xml:"conference-state>locked"`
	State  struct {
		Spotlight UserID `xml:"spotlight,attr"`
		Speaker   UserID `xml:"speaker,attr"`
		Hands     string `xml:"hands,attr"`
	} `xml:"conference-state>state"`
	Users []struct {
		Name  string `xml:"display-text"`
		Roles []Role `xml:"roles>entry"`
		Own   struct {
			ID        string      `xml:"id,attr"`
			Order     int         `xml:"order,attr"`
			Number    string      `xml:"number,attr"`
			Muted     bool        `xml:"muted,attr"`
			MutedBy   Muter       `xml:"muted-by,attr"`
			Hard      bool        `xml:"hard,attr"`
			Asked     string      `xml:"asked,attr"`
			Deaf      bool        `xml:"deaf,attr"`
			Gain      string      `xml:"gain,attr"`
			Waiting   bool        `xml:"waiting,attr"`
			WaitsFor  Wait        `xml:"waits-for,attr"`
			Sidebar   SidebarID   `xml:"sidebar,attr"`
			Loud      bool        `xml:"loud,attr"`
			Layout    plan.Layout `xml:"view-layout,attr"`
			Spotlight UserID      `xml:"view-spotlight,attr"`
			VideoOff  bool        `xml:"video-off,attr"`
			Hand      string      `xml:"hand,attr"`
			Speaking  bool        `xml:"speaking,attr"`
		} `xml:"user"`
		Endpoints []struct {
			Status Status        `xml:"status"`
			Method JoiningMethod `xml:"joining-method"`
			Joined string        `xml:"joining-info>when"`
			Reason string        `xml:"disconnection-info>reason"`
			Own    struct {
				Leg  string  `xml:"leg,attr"`
				Kind LegKind `xml:"kind,attr"`
			} `xml:"endpoint"`
			Media []struct {
				ID     string      `xml:"id,attr"`
				Type   string      `xml:"type"`
				Status MediaStatus `xml:"status"`
				Own    struct {
					Codec string `xml:"codec,attr"`
				} `xml:"media"`
			} `xml:"media"`
		} `xml:"endpoint"`
	} `xml:"users>user"`
}

// A phone and a page are told the same about everybody.
func TestConferenceInfoSaysWhatThePageSays(t *testing.T) {
	viewers := []Viewer{{}, {Operator: true}}
	RandomStates(t, 7, 2500, func(_, now *State) {
		for _, v := range viewers {
			full, err := rfc4575.Full(now, 1, v)
			if err != nil {
				t.Fatal(err)
			}
			var x told
			if err := xml.Unmarshal(full, &x); err != nil {
				t.Fatal(err)
			}
			sameConference(t, View(now, v), x)
			if t.Failed() {
				t.Fatalf("%+v is told\n%s", v, full)
			}
		}
	})
}

func sameConference(t *testing.T, page *Document, x told) {
	t.Helper()
	c := page.Conference
	if c.Locked != x.Locked || c.Spotlight != x.State.Spotlight || c.Speaker != x.State.Speaker || c.Name != x.Title {
		t.Errorf("the page is told %+v", c)
	}
	hands := []string{}
	for _, id := range c.Hands {
		hands = append(hands, string(id))
	}
	if strings.Join(hands, " ") != x.State.Hands {
		t.Errorf("the page is told of the hands %v", hands)
	}
	ids := slices.SortedFunc(maps.Keys(page.Users), func(a, b string) int { return page.Users[a].Order - page.Users[b].Order })
	if len(ids) != len(x.Users) {
		t.Fatalf("the page is told of %v", ids)
	}
	for i, id := range ids {
		u, e := x.Users[i], page.Users[id]
		gain, err := strconv.ParseFloat(u.Own.Gain, 32)
		if err != nil {
			gain = 1
		}
		endpoints := map[string]EndpointView{}
		for _, d := range u.Endpoints {
			media := map[string]MediaView{}
			for _, m := range d.Media {
				media[m.ID] = MediaView{Type: m.Type, Status: m.Status, Codec: m.Own.Codec, Content: e.Endpoints[d.Own.Leg].Media[m.ID].Content}
			}
			switch { // what only RFC 4575 tells apart
			case d.Status == "muted-via-focus" && e.Muted, d.Status == OnHold && e.Waiting:
				d.Status = e.Endpoints[d.Own.Leg].Status
			}
			endpoints[d.Own.Leg] = EndpointView{Kind: d.Own.Kind, Status: d.Status, Joined: d.Joined, Method: d.Method, Reason: d.Reason, Media: media}
		}
		got := UserView{
			Name: u.Name, Order: u.Own.Order, Roles: u.Roles, Number: u.Own.Number, Muted: u.Own.Muted, MutedBy: u.Own.MutedBy, Hard: u.Own.Hard, Asked: u.Own.Asked,
			Deaf: u.Own.Deaf, Gain: float32(gain), Waiting: u.Own.Waiting, WaitsFor: u.Own.WaitsFor, Sidebar: u.Own.Sidebar, Loud: u.Own.Loud,
			View:     ViewView{u.Own.Layout, u.Own.Spotlight},
			Speaking: u.Own.Speaking, Hand: u.Own.Hand, Camera: !u.Own.VideoOff, Endpoints: endpoints,
		}
		if u.Own.ID != id || !reflect.DeepEqual(got, e) {
			t.Errorf("of %s a phone is told\n%+v, the page\n%+v", id, got, e)
		}
	}
}

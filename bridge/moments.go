package bridge

import "tutti/bridge/internal/persist"

// fewPeople is how many may be in a conference for the sounds of coming and going: in a larger one they would be noise.
const fewPeople = 8

// sound lets people hear who came and went, and that they are recorded, whoever brought that about. Its cost is that of what changed.
func (c *change) sound(before *State) {
	if !c.speaker || c.Ended != nil {
		return
	}
	if on := c.Conference.Recording.On; on != before.Conference.Recording.On {
		c.say("", choose(on, PromptRecordingOn, PromptRecordingOff))
	}
	if c.touched&(touchedRoster|touchedUsers) == 0 {
		return
	}
	came, went := 0, 0
	for d := range persist.Diff(before.users, c.users) {
		was, is := d.InOld && d.Old.Connected(), d.InNew && d.New.Connected()
		if is && !was {
			came++
		} else if was && !is {
			went++
		}
	}
	here := c.Connected()
	if came > 0 && here > 1 && here <= fewPeople {
		c.say("", PromptJoined)
	}
	if went > 0 && here > 0 && here <= fewPeople {
		c.say("", PromptLeft)
	}
	if went > 0 && came == 0 && here == 1 {
		for _, u := range c.users.All() {
			if u.Connected() {
				c.tellUser(u, PromptAlone)
			}
		}
	}
}

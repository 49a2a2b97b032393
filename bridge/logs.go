package bridge

import "log/slog"

// tell writes one line for one order that people want to know of. What packets cause, and what people say, is no line.
func (c *Conference) tell(o Order, before, after *State, err error) {
	if err != nil {
		if !o.By.system {
			c.log.Debug("refused", "by", o.By.who(), "command", nameOf(o.Command), "reason", err.Error())
		}
		return
	}
	if after.Version == before.Version {
		return
	}
	if text, who := event(o.Command); text != "" {
		c.log.Info(text, append(who, c.participant(o, before, after), slog.String("by", o.By.who()))...)
	}
	if before.Ended == nil && after.Ended != nil {
		c.log.Info("conference ended", "reason", after.Ended.Text)
	}
}

// participant is whom the order is about.
func (c *Conference) participant(o Order, before, after *State) slog.Attr {
	id := o.By.User
	switch command := o.Command.(type) {
	case join:
		u, _ := after.Owner(command.leg)
		return userAttr(u)
	case leave:
		u, _ := before.Owner(command.leg)
		return userAttr(u)
	case quiet:
		u, _ := before.Owner(command.leg)
		return userAttr(u)
	case Mute:
		id = command.User
	case Rename:
		id = command.User
	case Dial:
		id = command.User
	case Expel:
		id = command.User
	case Spotlight:
		id = command.User
	case Grant:
		id = command.User
	case Revoke:
		id = command.User
	case Admit:
		id = command.User
	case Deny:
		id = command.User
	case AskUnmute:
		id = command.User
	case Deafen:
		id = command.User
	case Broadcast:
		id = command.User
	}
	if id == "" {
		id = o.By.User
	}
	u := after.User(id)
	if u == nil {
		u = before.User(id)
	}
	return userAttr(u)
}

func userAttr(u *User) slog.Attr {
	if u == nil {
		return slog.String("participant", "")
	}
	return slog.Group("participant", "id", u.ID, "name", u.Name)
}

// event is the text and the attributes of a line, "" for none.
func event(command Command) (string, []any) {
	switch command := command.(type) {
	case join:
		r := command.request
		what := "joined"
		if command.replaces != "" {
			what = "rejoined"
		}
		return what, []any{"leg", command.leg, "kind", r.Kind, "source", r.Source}
	case leave:
		return "left", []any{"leg", command.leg, "method", command.reason.Method, "reason", command.reason.Text, "code", command.reason.Code}
	case quiet:
		return "ended for silence", []any{"leg", command.leg, "stream", command.stream, "for", command.length}
	case Mute:
		return choose(command.On, "muted", "unmuted"), nil
	case Rename:
		return "renamed", nil
	case Dial:
		return "dialling", []any{"target", command.Target, "leg", command.Leg}
	case Expel:
		return choose(command.Ban, "banned", "expelled"), []any{"reason", command.Reason}
	case Lock:
		return choose(command.On, "locked", "unlocked"), nil
	case SetLayout:
		return "layout changed", []any{"layout", command.Layout}
	case Spotlight:
		return "spotlight changed", nil
	case Grant:
		return "role given", []any{"role", command.Role}
	case Revoke:
		return "role taken", []any{"role", command.Role}
	case MuteAll:
		return choose(command.On, "all muted", "all unmuted"), nil
	case Admit:
		return "let in", nil
	case Deny:
		return "turned away", []any{"reason", command.Reason}
	case Unban:
		return "ban lifted", []any{"name", command.Name}
	case Configure:
		return "settings changed", nil
	case PlayFile:
		return "playing", []any{"file", command.File}
	case SidebarCreate:
		return "sidebar created", []any{"sidebar", command.ID, "kind", command.Kind}
	case SidebarMove:
		return "moved", []any{"sidebar", command.Sidebar, "users", command.Users}
	case SidebarMerge:
		return "sidebar merged", []any{"sidebar", command.From, "into", command.Into}
	case SidebarEnd:
		return "sidebar ended", []any{"sidebar", command.Sidebar}
	case Broadcast:
		return choose(command.On, "heard in all sidebars", "no longer heard in all sidebars"), nil
	}
	return "", nil
}

func choose[T any](on bool, yes, no T) T {
	if on {
		return yes
	}
	return no
}

package bridge

import (
	"iter"

	"tutti/bridge/internal/persist"
)

// Changes are the participants in whom two states of one conference differ: as they were and as they are, nil where they
// are not there. Its cost is that of what changed; the order is of no use.
func Changes(old, now *State) iter.Seq2[*User, *User] {
	return func(yield func(*User, *User) bool) {
		for c := range persist.Diff(old.users, now.users) {
			if !yield(c.Old, c.New) {
				return
			}
		}
	}
}

// Text is what v may read where somebody wrote text about u: strangers see telephone numbers masked.
func (v Viewer) Text(u *User, text string) string {
	if v.Operator {
		return text
	}
	return maskName(text, u.Number)
}

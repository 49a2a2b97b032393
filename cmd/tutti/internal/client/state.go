package client

import (
	"cmp"
	"slices"

	"tutti/bridge"
)

// User is a participant with its id.
type User struct {
	ID string `json:"id"`
	bridge.UserView
}

// Roster is the participants of a conference in the order of joining.
func Roster(d *bridge.Document) []User {
	users := make([]User, 0, len(d.Users))
	for id, u := range d.Users {
		users = append(users, User{id, u})
	}
	slices.SortFunc(users, func(a, b User) int { return cmp.Compare(a.Order, b.Order) })
	return users
}

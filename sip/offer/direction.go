package offer

// Direction says which way media flows, as the side that says it sees it (RFC 8866 §6.7).
type Direction uint8

// A Direction is a set of these two bits.
const (
	Inactive Direction = 0
	SendOnly Direction = 1
	RecvOnly Direction = 2
	SendRecv           = SendOnly | RecvOnly
)

func (d Direction) String() string {
	return [...]string{"inactive", "sendonly", "recvonly", "sendrecv"}[d&SendRecv]
}

// Sends says whether the side that says d sends.
func (d Direction) Sends() bool { return d&SendOnly != 0 }

// Receives says whether the side that says d receives.
func (d Direction) Receives() bool { return d&RecvOnly != 0 }

// Reverse is d as the other side sees it.
func (d Direction) Reverse() Direction { return d&SendOnly<<1 | d&RecvOnly>>1 }

// direction reads the attribute of a section, or that of the session, or the default.
func direction(s *Session, m *Section) Direction {
	for _, as := range []Attributes{m.Attributes, s.Attributes} {
		for _, a := range as {
			for d := Inactive; d <= SendRecv; d++ {
				if a.Name == d.String() {
					return d
				}
			}
		}
	}
	return SendRecv
}

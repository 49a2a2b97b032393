package bridge

import "sync"

const (
	maxRequests = 256  // orders of people that wait
	maxEvents   = 4096 // with those of the media plane
)

// urgency says what becomes of an order when the inbox is full.
type urgency uint8

const (
	mayRefuse urgency = iota // somebody waits for the answer and can be told "busy"
	mayLose                  // an event of which the next tells as much
	mustKeep                 // comes at most once for each leg, or once for the conference
)

// inbox is the bounded queue of one conference. Any goroutine may put, one takes.
type inbox struct {
	wake chan struct{} // of one

	mu     sync.Mutex // guards the fields below
	queue  []entry
	lost   int
	closed bool
}

type entry struct {
	order   Order
	request *request // nil: nobody waits
}

// request is what belongs to an order and is not pure.
type request struct {
	leg    *Leg          // that joins; nil for other commands
	legs   []*Leg        // that arrive
	answer chan<- answer // of one
}

type answer struct {
	user UserID // that joined
	err  error
}

func newInbox() inbox { return inbox{wake: make(chan struct{}, 1)} }

// put never blocks. The error is a *Refusal.
func (q *inbox) put(o Order, r *request, u urgency) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return refuseEnded()
	case u == mayRefuse && len(q.queue) >= maxRequests:
		return refuseBusy()
	case u == mayLose && len(q.queue) >= maxEvents:
		q.lost++
		return refuseBusy()
	}
	q.queue = append(q.queue, entry{o, r})
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

// take is all that waits. The caller hands the slice back to be used again.
func (q *inbox) take(used []entry) (waiting []entry, lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting, lost = q.queue, q.lost
	clear(used)
	q.queue, q.lost = used[:0], 0
	return waiting, lost
}

// close takes what waits and refuses all that follows.
func (q *inbox) close() []entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	return q.queue
}

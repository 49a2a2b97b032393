package sip

import "sync"

// A mailbox hands work to one goroutine in the order of arrival. Putting in never blocks.
type mailbox struct {
	mu     sync.Mutex // guards the fields below
	queue  []func()
	closed bool
	wake   chan struct{} // one signal is enough: the reader takes everything
}

// mailboxSize bounds what the network can put in; our own timers and answers are few and always taken.
const mailboxSize = 64

func newMailbox() *mailbox { return &mailbox{wake: make(chan struct{}, 1)} }

// offer puts in what came from the network, unless the box is full or closed.
func (m *mailbox) offer(f func()) bool { return m.put(f, mailboxSize) }

// post puts in what is ours. It is lost once the box is closed.
func (m *mailbox) post(f func()) { m.put(f, 1<<20) }

func (m *mailbox) put(f func(), limit int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || len(m.queue) >= limit {
		return false
	}
	m.queue = append(m.queue, f)
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return true
}

// take returns all that is there, in order. It blocks until there is something.
func (m *mailbox) take() []func() {
	for {
		m.mu.Lock()
		work := m.queue
		m.queue = nil
		m.mu.Unlock()
		if len(work) > 0 {
			return work
		}
		<-m.wake
	}
}

// close refuses all further work.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed, m.queue = true, nil
}

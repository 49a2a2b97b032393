package transport

import sipmsg "github.com/emiago/sipgo/sip"

// Cancel cancels an INVITE (§9.1): at once when a provisional answer is there,
// otherwise with the first one. A 2xx may still win the race. It takes further
// header fields for the CANCEL, such as a Reason (RFC 3326).
func (tx *ClientTx) Cancel(fields ...sipmsg.Header) {
	tx.mu.Lock()
	tx.cancelWith = fields
	tx.mu.Unlock()
	tx.abandon(ErrCancelled)
}

func (tx *ClientTx) abandon(why error) {
	if !tx.invite {
		tx.terminate(why)
		return
	}
	tx.mu.Lock()
	if tx.state > proceeding {
		tx.mu.Unlock()
		return
	}
	tx.wantCancel = true
	unsent := tx.flow == nil
	cancel := tx.cancelLocked()
	tx.mu.Unlock()
	if unsent {
		tx.terminate(ErrCancelled)
		return
	}
	tx.launch(cancel)
}

// cancelLocked makes the CANCEL once it may be sent.
func (tx *ClientTx) cancelLocked() *sipmsg.Request {
	if !tx.wantCancel || tx.sentCancel || tx.state != proceeding {
		return nil
	}
	tx.sentCancel = true
	tx.endInLocked(tx.layer.cfg.Timers.giveUp(), ErrCancelled)
	cancel := derive(tx.req, sipmsg.CANCEL, tx.req.To())
	for _, h := range tx.cancelWith {
		cancel.AppendHeader(h)
	}
	return cancel
}

// launch sends a CANCEL in a transaction of its own, with the branch of the INVITE.
func (tx *ClientTx) launch(cancel *sipmsg.Request) {
	if cancel == nil {
		return
	}
	l := tx.layer
	branch, _ := cancel.Via().Params.Get("branch")
	c := &ClientTx{
		layer: l, req: cancel, key: clientKey(branch, sipmsg.CANCEL),
		responses: make(chan *sipmsg.Response, responseRoom),
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.clients[c.key] = c
	l.mu.Unlock()
	c.begin(tx.Flow(), "")
}

// derive makes the ACK to a refusal (§17.1.1.3) or the CANCEL (§9.1) of req.
func derive(req *sipmsg.Request, method sipmsg.RequestMethod, to *sipmsg.ToHeader) *sipmsg.Request {
	r := sipmsg.NewRequest(method, req.Recipient)
	r.AppendHeader(sipmsg.HeaderClone(req.Via()))
	sipmsg.CopyHeaders("Route", req, r)
	max := sipmsg.MaxForwardsHeader(70)
	r.AppendHeader(&max)
	r.AppendHeader(sipmsg.HeaderClone(req.From()))
	r.AppendHeader(sipmsg.HeaderClone(to))
	r.AppendHeader(sipmsg.HeaderClone(req.CallID()))
	r.AppendHeader(&sipmsg.CSeqHeader{SeqNo: req.CSeq().SeqNo, MethodName: method})
	return r
}

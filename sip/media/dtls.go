package media

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/srtp/v3"
	"github.com/pion/transport/v4/packetio"

	"tutti/sip/offer"
)

const (
	// handshakeTime is how long a far end may take from our answer to the end of the DTLS handshake.
	handshakeTime = 20 * time.Second
	// handshakeQueue bounds the datagrams that wait for the handshake; what does not fit is sent again by its sender.
	handshakeQueue = 32
	// retransmitAfter is the first interval of DTLS retransmission; it doubles (RFC 6347 §4.2.4.1).
	retransmitAfter = 250 * time.Millisecond
)

// component is RTP or RTCP: without rtcp-mux each has its own handshake (RFC 5764 §5.1.2).
type component int

const (
	mediaComponent component = iota
	controlComponent
)

// association is one DTLS handshake, and the connection after it, on one socket of a transport.
type association struct {
	t        *Transport
	part     component
	security offer.Security
	peer     atomic.Pointer[net.UDPAddr] // where the far end's datagrams come from; until then where it is described
	queue    *packetio.Buffer
	cancel   context.CancelCauseFunc
	done     chan struct{} // closed when the handshake ended, well or not
	err      error         // of the handshake; valid after done
	ended    chan struct{} // closed when the goroutine has ended
}

// associate starts a handshake. It is called with in.mu held.
func (t *Transport) associate(part component, sec *offer.Security, described netip.AddrPort) *association {
	ctx, cancel := context.WithCancelCause(context.Background()) //nolint:contextcheck // ends with the transport, by stop
	a := &association{
		t: t, part: part, security: *sec, queue: packetio.NewBuffer(), cancel: cancel,
		done: make(chan struct{}), ended: make(chan struct{}),
	}
	a.queue.SetLimitCount(handshakeQueue)
	if described.IsValid() {
		a.peer.Store(net.UDPAddrFromAddrPort(described))
	}
	go a.run(ctx)
	return a
}

// same says whether sec needs no new handshake (RFC 8842 §5.5).
func (a *association) same(sec *offer.Security) bool {
	return a != nil && a.security.Active == sec.Active && a.security.Fingerprint.Equal(sec.Fingerprint)
}

// stop ends the association and returns when its goroutine has.
func (a *association) stop() {
	if a == nil {
		return
	}
	a.cancel(ErrClosed)
	<-a.ended
}

// run does the handshake and keeps the connection, which answers repeated messages and alerts, until stop.
func (a *association) run(ctx context.Context) {
	defer close(a.ended)
	conn, err := a.handshake(ctx)
	if err != nil {
		a.err = fmt.Errorf("media: DTLS: %w", err)
		close(a.done)
		if ctx.Err() == nil {
			a.t.fail(a.err)
		}
		_ = a.queue.Close()
		return
	}
	close(a.done)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	for b := make([]byte, maxPacket); ; { // nothing is carried by DTLS itself: what comes is dropped
		if _, err := conn.Read(b); err != nil && (ctx.Err() != nil || !errors.Is(err, os.ErrDeadlineExceeded)) {
			_ = conn.Close()
			return
		}
	}
}

// handshake makes the connection and puts its keys in force.
func (a *association) handshake(ctx context.Context) (*dtls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	conn, err := a.open()
	if err != nil {
		return nil, err
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if err := a.useKeys(conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func (a *association) open() (*dtls.Conn, error) {
	common := []dtls.Option{
		dtls.WithCertificates(a.t.certificate.tls),
		dtls.WithSRTPProtectionProfiles(
			dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM,
			dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AES128_CM_HMAC_SHA1_32,
		),
		dtls.WithExtendedMasterSecret(dtls.RequestExtendedMasterSecret),
		dtls.WithInsecureSkipVerify(true), // the fingerprint is what counts
		dtls.WithVerifyPeerCertificate(a.verify),
		dtls.WithFlightInterval(retransmitAfter),
	}
	c := &handshakeConn{a}
	if a.security.Active {
		var options []dtls.ClientOption
		for _, o := range common {
			options = append(options, o)
		}
		return dtls.ClientWithOptions(c, c.LocalAddr(), options...)
	}
	options := []dtls.ServerOption{dtls.WithClientAuth(dtls.RequireAnyClientCert)}
	for _, o := range common {
		options = append(options, o)
	}
	return dtls.ServerWithOptions(c, c.LocalAddr(), options...)
}

func (a *association) verify(certificates [][]byte, _ [][]*x509.Certificate) error {
	if len(certificates) == 0 {
		return errFingerprint
	}
	return verify(certificates[0], a.security.Fingerprint)
}

// useKeys takes the SRTP keys out of the connection (RFC 5764 §4.2).
func (a *association) useKeys(conn *dtls.Conn) error {
	profile, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return errors.New("the far end did not agree to use_srtp")
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return errors.New("no connection state")
	}
	config := srtp.Config{Profile: srtp.ProtectionProfile(profile)}
	if err := config.ExtractSessionKeysFromDTLS(&state, a.security.Active); err != nil {
		return err
	}
	k := config.Keys
	remote, err := createContext(k.RemoteMasterKey, k.RemoteMasterSalt, config.Profile)
	if err != nil {
		return err
	}
	local, err := createContext(k.LocalMasterKey, k.LocalMasterSalt, config.Profile)
	if err != nil {
		return err
	}
	a.t.keyed(a, remote, local)
	return nil
}

// deliver takes one DTLS record that came from the network. It never blocks.
func (a *association) deliver(p []byte, from netip.AddrPort) {
	select {
	case <-a.done:
	default:
		// Until the fingerprint has been verified the answer goes to where the last record came from: a stranger
		// gets nothing but the end of their own handshake.
		if peer := a.peer.Load(); peer == nil || peer.AddrPort() != from {
			a.peer.Store(net.UDPAddrFromAddrPort(from))
		}
	}
	_, _ = a.queue.Write(p) // a full queue drops: DTLS repeats
}

// handshakeConn is an association as the net.PacketConn that pion/dtls wants.
type handshakeConn struct{ a *association }

func (c *handshakeConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, err := c.a.queue.Read(p)
	return n, c.LocalAddr(), err
}

func (c *handshakeConn) WriteTo(p []byte, _ net.Addr) (int, error) {
	peer := c.a.peer.Load()
	if peer == nil {
		return len(p), nil // nobody there yet: as lost, to be repeated
	}
	if err := c.a.t.writeRecord(c.a.part, p, peer.AddrPort()); err != nil && !errors.Is(err, errHeld) {
		return len(p), nil // as lost
	}
	return len(p), nil
}

// LocalAddr also stands for the far end's address, which may change until its certificate is known.
func (c *handshakeConn) LocalAddr() net.Addr                { return &net.UDPAddr{} }
func (c *handshakeConn) Close() error                       { return c.a.queue.Close() }
func (c *handshakeConn) SetDeadline(t time.Time) error      { return c.SetReadDeadline(t) }
func (c *handshakeConn) SetReadDeadline(t time.Time) error  { return c.a.queue.SetReadDeadline(t) }
func (c *handshakeConn) SetWriteDeadline(_ time.Time) error { return nil }

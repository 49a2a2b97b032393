package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"tutti/sip/offer"
)

// replayWindow is how many packets SRTP and SRTCP may come late, packets (RFC 3711 §3.3.2).
const replayWindow = 256

// maxSources bounds the SSRCs that one key may decrypt, for each keeps a replay window.
const maxSources = 256

var errSources = errors.New("media: too many SSRCs under one key")

// opener decrypts what comes on one socket. The zero value takes plain RTP.
type opener struct {
	secure  bool // plain packets are refused
	key     offer.Key
	context *srtp.Context // nil: no keys yet
	before  *srtp.Context // of the key before, for packets under way; nil once the new one was used
	sources int           // SSRCs that context has state for
}

// openRTP returns the packet in the clear, and whether it was authenticated. b.header was read from p.
func (o *opener) openRTP(b *buffers, p []byte) (data []byte, authentic bool, err error) {
	if !o.secure {
		return p, false, nil
	}
	if o.context == nil {
		return nil, false, errInsecure
	}
	_, known := o.context.ROC(b.header.SSRC)
	if !known && o.sources >= maxSources {
		return nil, false, errSources
	}
	if data, err = o.context.DecryptRTP(b.clear[:0], p, &b.header); err == nil {
		o.before = nil
		o.count(known)
		return data, true, nil
	}
	if o.before == nil {
		return nil, false, err
	}
	data, err = o.before.DecryptRTP(b.clear[:0], p, &b.header)
	return data, err == nil, err
}

func (o *opener) count(known bool) {
	if !known {
		o.sources++
	}
}

func (o *opener) openRTCP(b *buffers, p []byte) (data []byte, authentic bool, err error) {
	if !o.secure {
		return p, false, nil
	}
	if o.context == nil {
		return nil, false, errInsecure
	}
	if len(p) < 8 {
		return nil, false, errInsecure
	}
	_, known := o.context.Index(binary.BigEndian.Uint32(p[4:]))
	if !known && o.sources >= maxSources {
		return nil, false, errSources
	}
	if data, err = o.context.DecryptRTCP(b.clear[:0], p, nil); err == nil {
		o.count(known)
		return data, true, nil
	}
	if o.before == nil {
		return nil, false, err
	}
	data, err = o.before.DecryptRTCP(b.clear[:0], p, nil)
	return data, err == nil, err
}

// sealer encrypts what leaves by one socket. The zero value sends plain RTP.
type sealer struct {
	secure  bool // plain packets do not leave
	key     offer.Key
	context *srtp.Context // nil: no keys yet
	header  rtp.Header    // scratch
}

func (s *sealer) sealRTP(dst, p []byte) ([]byte, error) {
	if !s.secure {
		return p, nil
	}
	if s.context == nil {
		return nil, errInsecure
	}
	return s.context.EncryptRTP(dst, p, &s.header)
}

func (s *sealer) sealRTCP(dst, p []byte) ([]byte, error) {
	if !s.secure {
		return p, nil
	}
	if s.context == nil {
		return nil, errInsecure
	}
	return s.context.EncryptRTCP(dst, p, nil)
}

// rekeyLocked puts the agreed security in force. Keys that stay keep their rollover counters and replay windows. It is called
// with in.mu held and returns the associations that are to be stopped after it was released.
func (t *Transport) rekeyLocked(m *offer.Media, peer netip.Addr) (old []*association, err error) {
	sec := &m.Security
	if sec.Kind != offer.DTLS {
		old = append(old, t.in.links[:]...)
		t.in.links = [2]*association{}
	}
	switch sec.Kind {
	case offer.Unprotected:
		t.in.keys = [2]*opener{{}, {}}
		t.out.secure(&sealer{}, &sealer{})
	case offer.SDES:
		err = t.rekeySDES(sec)
	case offer.DTLS:
		old, err = t.rekeyDTLS(m, peer)
	}
	return old, err
}

// rekeySDES uses one key for RTP and RTCP on whatever ports (RFC 4568 §6.1).
func (t *Transport) rekeySDES(sec *offer.Security) error {
	if was := t.in.keys[mediaComponent]; !was.key.Equal(&sec.Remote) {
		context, err := newContext(&sec.Remote)
		if err != nil {
			return err
		}
		now := &opener{secure: true, key: sec.Remote, context: context, before: was.context}
		t.in.keys = [2]*opener{now, now}
	}
	if !t.out.key().Equal(&sec.Local) {
		context, err := newContext(&sec.Local)
		if err != nil {
			return err
		}
		now := &sealer{secure: true, key: sec.Local, context: context}
		t.out.secure(now, now)
	}
	return nil
}

// rekeyDTLS starts the handshakes that are new. Until one is done nothing passes.
func (t *Transport) rekeyDTLS(m *offer.Media, peer netip.Addr) (old []*association, err error) {
	if t.certificate == nil {
		return nil, fmt.Errorf("media: DTLS without a certificate")
	}
	sec := &m.Security
	if !t.in.links[mediaComponent].same(sec) {
		old = append(old, t.in.links[:]...)
		t.in.links = [2]*association{}
		t.in.keys = [2]*opener{{secure: true}, {secure: true}}
		t.out.secure(&sealer{secure: true}, &sealer{secure: true})
		t.in.links[mediaComponent] = t.associate(mediaComponent, sec, reachable(m.RTP, peer))
	}
	if !m.Mux && t.in.links[controlComponent] == nil {
		t.in.links[controlComponent] = t.associate(controlComponent, sec, reachable(m.RTCP, peer))
	}
	return old, nil
}

// keyed puts the keys of a finished handshake in force.
func (t *Transport) keyed(a *association, remote, local *srtp.Context) {
	t.in.mu.Lock()
	defer t.in.mu.Unlock()
	if t.in.links[a.part] != a {
		return // replaced meanwhile
	}
	t.in.keys[a.part] = &opener{secure: true, context: remote}
	t.out.secureOne(a.part, &sealer{secure: true, context: local})
	if p := a.peer.Load(); p != nil && a.part == mediaComponent {
		t.in.media.follow(p.AddrPort(), t.in.media.seen)
		t.aimLocked()
	}
}

// receiveDTLS takes one record.
func (t *Transport) receiveDTLS(p []byte, from netip.AddrPort, part component) {
	t.in.mu.Lock()
	a := t.in.links[part]
	t.in.mu.Unlock()
	if a == nil {
		t.counts.Invalid.Add(1)
		return
	}
	a.deliver(p, from)
}

// writeRecord sends one DTLS record.
func (t *Transport) writeRecord(part component, p []byte, to netip.AddrPort) error {
	s := &t.out
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errHeld
	}
	socket := t.rtp
	if part == controlComponent {
		socket = t.rtcp
	}
	return t.leave(socket, p, to)
}

func (s *sender) secure(media, control *sealer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = [2]*sealer{media, control}
}

func (s *sender) secureOne(part component, k *sealer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[part] = k
}

func (s *sender) key() *offer.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &s.keys[mediaComponent].key
}

func newContext(k *offer.Key) (*srtp.Context, error) {
	profile, err := profileOf(k.Suite)
	if err != nil {
		return nil, err
	}
	return createContext(k.Master, k.Salt, profile)
}

func createContext(key, salt []byte, profile srtp.ProtectionProfile) (*srtp.Context, error) {
	c, err := srtp.CreateContext(key, salt, profile, srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindow))
	if err != nil {
		return nil, fmt.Errorf("media: SRTP keys: %w", err)
	}
	return c, nil
}

func profileOf(s offer.Suite) (srtp.ProtectionProfile, error) {
	switch s {
	case offer.AEAD_AES_128_GCM:
		return srtp.ProtectionProfileAeadAes128Gcm, nil
	case offer.AEAD_AES_256_GCM:
		return srtp.ProtectionProfileAeadAes256Gcm, nil
	case offer.AES_CM_128_HMAC_SHA1_80:
		return srtp.ProtectionProfileAes128CmHmacSha1_80, nil
	case offer.AES_CM_128_HMAC_SHA1_32:
		return srtp.ProtectionProfileAes128CmHmacSha1_32, nil
	}
	return 0, fmt.Errorf("media: SRTP suite %q is not known", s)
}

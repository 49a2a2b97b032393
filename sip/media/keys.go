package media

import (
	"fmt"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"tutti/sip/offer"
)

// replayWindow is how many packets SRTP and SRTCP may come late, packets (RFC 3711 §3.3.2).
const replayWindow = 256

// opener decrypts what comes. The zero value takes plain RTP.
type opener struct {
	secure  bool // plain packets are refused
	key     offer.Key
	context *srtp.Context // nil: no keys yet
	before  *srtp.Context // of the key before, for packets under way; nil once the new one was used
}

// openRTP returns the packet in the clear, and whether it was authenticated. b.header was read from p.
func (o *opener) openRTP(b *buffers, p []byte) (data []byte, authentic bool, err error) {
	if !o.secure {
		return p, false, nil
	}
	if o.context == nil {
		return nil, false, errInsecure
	}
	if data, err = o.context.DecryptRTP(b.clear[:0], p, &b.header); err == nil {
		o.before = nil
		return data, true, nil
	}
	if o.before == nil {
		return nil, false, err
	}
	data, err = o.before.DecryptRTP(b.clear[:0], p, &b.header)
	return data, err == nil, err
}

func (o *opener) openRTCP(b *buffers, p []byte) (data []byte, authentic bool, err error) {
	if !o.secure {
		return p, false, nil
	}
	if o.context == nil {
		return nil, false, errInsecure
	}
	if data, err = o.context.DecryptRTCP(b.clear[:0], p, nil); err == nil {
		return data, true, nil
	}
	if o.before == nil {
		return nil, false, err
	}
	data, err = o.before.DecryptRTCP(b.clear[:0], p, nil)
	return data, err == nil, err
}

// sealer encrypts what leaves. The zero value sends plain RTP.
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

// rekey puts the agreed keys in force. Keys that stay keep their rollover counters and replay windows. It is called with in.mu held.
func (t *Transport) rekey(sec *offer.Security) error {
	switch sec.Kind {
	case offer.Unprotected:
		t.in.keys = opener{}
		t.out.secure(sealer{})
		return nil
	case offer.SDES:
		return t.rekeySDES(sec)
	}
	return fmt.Errorf("media: %v is not served", sec.Kind)
}

func (t *Transport) rekeySDES(sec *offer.Security) error {
	if !t.in.keys.key.Equal(&sec.Remote) {
		context, err := newContext(&sec.Remote)
		if err != nil {
			return err
		}
		t.in.keys = opener{secure: true, key: sec.Remote, context: context, before: t.in.keys.context}
	}
	if !t.out.key().Equal(&sec.Local) {
		context, err := newContext(&sec.Local)
		if err != nil {
			return err
		}
		t.out.secure(sealer{secure: true, key: sec.Local, context: context})
	}
	return nil
}

func (s *sender) secure(k sealer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = k
}

func (s *sender) key() *offer.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys.key
	return &k
}

func newContext(k *offer.Key) (*srtp.Context, error) {
	profile, err := profileOf(k.Suite)
	if err != nil {
		return nil, err
	}
	c, err := srtp.CreateContext(k.Master, k.Salt, profile, srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindow))
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

func (t *Transport) receiveDTLS(p []byte, from any) { t.counts.Invalid.Add(1) }

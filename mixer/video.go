package mixer

import (
	"time"

	"github.com/pion/rtp"
)

func (s *stream) askEncoder() {}

func (s *stream) deliverVideoLocked(p *rtp.Packet, rid string, at time.Time) {}

package server

import (
	"tutti/mixer"
	"tutti/mixer/video"
)

// video is the compositor of one conference.
func (w writer) video(m mixer.Stats) {
	v := m.Video
	w.gauge("video_classes", "Classes of equal viewers: encoders that work.", float64(len(v.Classes)))
	w.gauge("video_sources", "Pictures that come.", float64(v.Sources))
	w.gauge("video_viewers", "Pictures that leave.", float64(v.Viewers))
	w.counter("video_late_frames_total", "Frames left out because the step came late.", float64(v.Late))
	w.counter("video_composed_total", "Pictures composed.", float64(v.Composed))
	w.counter("video_encoded_total", "Pictures encoded, all classes together.", float64(v.Encoded))
	w.counter("video_dropped_total", "Pictures that a class was too busy for.", float64(v.Dropped))
	w.counter("video_moves_total", "Moves of viewers between rungs.", float64(v.Moves))
	w.counter("video_key_frames_total", "Key frames made.", float64(v.KeyFrames))
	w.counter("video_decoded_total", "Pictures decoded.", float64(v.Decoded))
	w.counter("video_decode_errors_total", "Frames that no decoder took.", float64(v.DecodeErrors))
	w.counter("video_lost_total", "Holes in the packets that were not filled in time.", float64(v.Lost))
	w.counter("video_key_frames_asked_total", "Key frames asked of sources.", float64(v.KeyFramesAsked))
}

// rung is the picture that one stream is sent.
func (w writer) rung(v video.ViewerStats) {
	w.gauge("sent_rung", "Rung of the picture that is sent: 0 is what was negotiated, more is less.", float64(v.Rung))
	w.gauge("sent_rung_bits_per_second", "Bit rate that the encoder of the rung aims at.", float64(v.Bitrate))
}

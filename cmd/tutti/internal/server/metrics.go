package server

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tutti/bridge"
	"tutti/mixer"
)

// metrics serves what Prometheus asks for. Everything is read from the parts when it is asked for.
func (s *server) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collector{s})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// collector turns the statistics of the parts into metrics.
type collector struct{ *server }

// Describe sends nothing: the conferences come and go, so the collector is an unchecked one.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the statistics once.
func (c collector) Collect(out chan<- prometheus.Metric) {
	st := c.bridge.Stats()
	w := writer{out: out}
	w.gauge("conferences", "Conferences that are going on.", float64(st.Conferences))
	for _, kind := range []bridge.LegKind{bridge.SIP, bridge.WebRTC, bridge.Local} {
		w.gauge("legs", "Phones, browsers and devices of this machine in conferences.", float64(st.Legs[kind]), "kind", string(kind))
	}
	w.gauge("pending_calls", "Calls out that are not answered yet.", float64(st.Pending))
	w.gauge("sip_calls", "SIP calls, those that are still set up included.", float64(c.agent.Calls()))
	peers, pending := c.browsers.Count()
	w.gauge("webrtc_peers", "PeerConnections, those that are still set up included.", float64(peers))
	w.gauge("webrtc_peers_pending", "PeerConnections that are still set up.", float64(pending))
	for of, setup := range st.Setup {
		w.with("kind", string(of.Kind), "method", string(of.Method)).setup(setup)
	}
	for name, media := range st.Media {
		w.with("conference", name).media(media)
	}
}

// writer makes metrics that share labels.
type writer struct {
	out    chan<- prometheus.Metric
	labels []string // name, value, …
}

func (w writer) with(labels ...string) writer {
	w.labels = append(append([]string(nil), w.labels...), labels...)
	return w
}

func (w writer) gauge(name, help string, v float64, labels ...string) {
	w.put(prometheus.GaugeValue, name, help, v, labels)
}

func (w writer) counter(name, help string, v float64, labels ...string) {
	w.put(prometheus.CounterValue, name, help, v, labels)
}

// setup is how long it took legs to get in.
func (w writer) setup(s bridge.Setup) {
	buckets := make(map[float64]uint64, len(s.Buckets))
	for i, bound := range bridge.SetupBounds() {
		buckets[bound.Seconds()] = s.Buckets[i]
	}
	desc, values := w.desc("setup_seconds", "From the first message of a leg, or the start of a call out, to its membership.", nil)
	w.out <- prometheus.MustNewConstHistogram(desc, s.Count, s.Sum.Seconds(), buckets, values...)
}

func (w writer) put(kind prometheus.ValueType, name, help string, v float64, labels []string) {
	desc, values := w.desc(name, help, labels)
	w.out <- prometheus.MustNewConstMetric(desc, kind, v, values...)
}

// desc describes a metric that has the writer's labels and more, whose values it returns.
func (w writer) desc(name, help string, labels []string) (*prometheus.Desc, []string) {
	all := append(append([]string(nil), w.labels...), labels...)
	names, values := make([]string, 0, len(all)/2), make([]string, 0, len(all)/2)
	for i := 0; i+1 < len(all); i += 2 {
		names, values = append(names, all[i]), append(values, all[i+1])
	}
	return prometheus.NewDesc("tutti_"+name, help, names, nil), values
}

// media is one conference's mixer.
func (w writer) media(m mixer.Stats) {
	w.counter("ticks_total", "Ticks of the sound, one each 20 ms.", float64(m.Ticks))
	w.counter("late_ticks_total", "Ticks that began more than 5 ms late.", float64(m.Late))
	w.counter("skipped_ticks_total", "Ticks that never happened.", float64(m.Skipped))
	w.gauge("audio_classes", "Classes of equal outputs: encoders that work.", float64(m.AudioClasses))
	w.gauge("audio_sounding", "Inputs that sound now.", float64(m.Sounding))
	w.counter("audio_encodes_total", "Frames of sound encoded.", float64(m.AudioEncodes))
	w.video(m)
	for _, leg := range m.Legs {
		for _, s := range leg.Streams {
			w.with("leg", string(leg.Leg), "media", s.Kind.String(), "stream", s.ID).stream(s)
		}
	}
}

func (w writer) stream(s mixer.StreamStats) {
	r, t := s.Received, s.Sent
	w.counter("received_packets_total", "RTP packets that came.", float64(r.Packets))
	w.gauge("received_lost", "RTP packets that did not come (RFC 3550 A.3).", float64(r.Lost))
	w.gauge("received_jitter_seconds", "Interarrival jitter of what comes (RFC 3550 A.8).", r.Jitter.Seconds())
	w.counter("received_invalid_total", "Packets that were no RTP or not believed.", float64(r.Invalid))
	w.counter("sent_packets_total", "RTP packets that left.", float64(t.Packets))
	w.counter("sent_errors_total", "RTP packets that the system did not take.", float64(t.Errors))
	w.gauge("sent_lost", "RTP packets that the far end says it missed.", float64(t.Lost))
	w.gauge("sent_jitter_seconds", "Interarrival jitter at the far end, as it says.", t.Jitter.Seconds())
	if t.RTT > 0 {
		w.gauge("round_trip_seconds", "Round trip to the far end, by RTCP.", t.RTT.Seconds())
	}
	if p := t.Picture; p != nil {
		w.rung(*p)
	}
	if s.Kind == mixer.Audio {
		b := r.Buffer
		w.gauge("buffer_delay_seconds", "Sound that waits in the jitter buffer.", b.Delay.Seconds())
		w.counter("buffer_late_total", "Packets that came after their turn.", float64(b.Late))
		w.counter("buffer_concealed_total", "Ticks of guessed sound.", float64(b.Concealed))
		w.counter("buffer_recovered_total", "Packets restored from the one after (FEC).", float64(b.Recovered))
		w.counter("buffer_grown_total", "Times that the delay grew.", float64(b.Grown))
		w.counter("buffer_shrunk_total", "Times that a tick of delay was taken back.", float64(b.Shrunk))
		w.counter("buffer_overflow_total", "Packets dropped because too much was held.", float64(b.Overflow))
	}
}

package server

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tutti/bridge"
)

// metrics serves what Prometheus asks for. Everything is read from the parts when it is asked for.
func (s *server) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collector{s})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// collector turns the statistics of the bridge into metrics.
type collector struct{ *server }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("tutti_"+name, help, labels, nil)
}

// Describe sends nothing: the set of metrics depends on who is there (an unchecked collector).
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the statistics once.
func (c collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	st := c.bridge.Stats()
	gauge(describe("conferences", "Conferences that are going on."), float64(st.Conferences))
	legs := describe("legs", "Phones, browsers and local devices in conferences.", "kind")
	for _, kind := range []bridge.LegKind{bridge.SIP, bridge.WebRTC, bridge.Local} {
		gauge(legs, float64(st.Legs[kind]), string(kind))
	}
	gauge(describe("pending_calls", "Calls out that are not answered yet."), float64(st.Pending))
	gauge(describe("sip_calls", "SIP dialogs."), float64(c.agent.Calls()))
	_ = counter
}

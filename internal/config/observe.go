package config

import (
	"net"
	"net/netip"
	"strconv"
)

// Metrics is where the server's figures are read. Nobody reads them on the door that
// people and programs use without the token.
type Metrics struct {
	Listen   string // a listener of their own; empty: they are at that door, with the token
	TokenRef string // reference to what whoever reads them shows; empty: on loopback alone
}

// Traces is where spans of the work are sent.
type Traces struct {
	Endpoint string // of whoever collects them, by OTLP over HTTP; /v1/traces is added
	TokenRef string // reference to what is shown there; empty: nothing
}

var (
	metricsKeys = []string{"listen", "token_ref"}
	tracesKeys  = []string{"endpoint", "token_ref"}
)

// readMetrics reads metrics; nil: nobody reads any.
func (d *files) readMetrics(f fields) *Metrics {
	in, ok := f.within("metrics", metricsKeys)
	if !ok {
		return nil
	}
	m := &Metrics{TokenRef: d.reference(in, "token_ref", "")}
	if !in.has("listen") && !in.has("token_ref") {
		in.r.problem(in.here(), "metrics needs listen, token_ref or both: an address of their own, such as 127.0.0.1:9317, and what whoever reads them shows")
	}
	text, ok := in.read("listen")
	if !ok {
		return m
	}
	host, port, err := net.SplitHostPort(text)
	number, portErr := strconv.ParseUint(port, 10, 16)
	ip, ipErr := netip.ParseAddr(host)
	switch {
	case err != nil || portErr != nil || ipErr != nil || ip.Zone() != "":
		in.problem("listen", "listen must be an address of this machine and a port from 0 to 65535, such as 127.0.0.1:9317")
	case !ip.IsLoopback() && !in.has("token_ref"):
		in.problem("listen", "listen is not a loopback address: others could read how this company does; write token_ref, or listen on 127.0.0.1")
	default:
		m.Listen = net.JoinHostPort(host, strconv.FormatUint(number, 10))
	}
	return m
}

// readTraces reads traces; nil: none are sent.
func (d *files) readTraces(f fields) *Traces {
	in, ok := f.within("traces", tracesKeys)
	if !ok {
		return nil
	}
	t := &Traces{Endpoint: in.address("endpoint"), TokenRef: d.reference(in, "token_ref", "")}
	in.needs("traces", "endpoint")
	return t
}

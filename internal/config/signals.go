package config

import (
	"crypto/sha256"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

const signalsFile = "signals.yaml"

// Signals is from whom signals are heard, and who is told.
type Signals struct {
	Transmitters []Transmitter
	Issuer       string // what we are called in what we send; empty: nobody is told
	KeyRef       string // reference to the key that signs it
	OldKeyRef    string // reference to the one before, still published; empty: none
	Receivers    []SignalReceiver
}

// Transmitter is who tells us, and how.
type Transmitter struct {
	access.Transmitter
	Issuer   string // exactly as its tokens say it
	Audience string // what its tokens call us
	JWKSURL  string // where its keys are
	KeysFile string // … or the file that holds them, as a JWK set
	Token    [sha256.Size]byte
	Poll     string // where what it has for us is fetched; empty: it sends
	TokenRef string // … by which token
	Every    time.Duration
}

// SignalReceiver is whom we tell, and how.
type SignalReceiver struct {
	access.SignalReceiver
	Audience string
	URL      string // where it is sent; empty: it fetches
	TokenRef string // … by which token; empty: none
	Token    [sha256.Size]byte
}

type transmitter struct {
	Transmitter
	f fields
}

func (t *transmitter) entry() (string, fields) { return t.ID, t.f }

type receiver struct {
	SignalReceiver
	f fields
}

func (r *receiver) entry() (string, fields) { return r.ID, r.f }

var (
	signalsSections = []string{"receive", "send"}
	transmitterKeys = []string{"id", "issuer", "audience", "jwks_url", "keys_file", "delivery", "token_sha256", "endpoint", "token_ref", "every", "subjects", "heeds", "finds", "hourly"}
	sendKeys        = []string{"issuer", "key_ref", "old_key_ref", "receivers"}
	receiverKeys    = []string{"id", "audience", "delivery", "url", "token_ref", "token_sha256", "events", "subjects"}
	subjectKeys     = []string{"format", "at", "issuer", "domain"}
	deliveries      = []string{"push", "poll"}

	heedable = []string{access.SignalDisabled, access.SignalPurged, access.SignalEnabled, access.SignalCompromise, access.SignalCredentialChange, access.SignalSessionRevoked}
)

// readSignals reads signals.yaml.
func (d *files) readSignals(text []byte) {
	f, ok := d.sections(signalsFile, text, signalsSections)
	if !ok {
		return
	}
	d.signals = &Signals{}
	if f.none("receive") && !f.has("send") {
		f.r.problem(f.here(), "neither receive nor send: write from whom signals are heard or who is told, or take the file away")
	}
	each(f, "receive", "a transmitter", transmitterKeys, d.readTransmitter)
	send, ok := f.within("send", sendKeys)
	if !ok {
		return
	}
	send.needs("send", "issuer", "key_ref", "receivers")
	d.signals.Issuer = send.text("issuer")
	send.issuer()
	d.signals.KeyRef, d.signals.OldKeyRef = d.reference(send, "key_ref", ""), d.reference(send, "old_key_ref", "")
	if send.has("receivers") && send.none("receivers") {
		send.problem("receivers", "receivers is empty: write who is told, or leave send out")
	}
	every(send, "receivers", "a receiver", receiverKeys, d.readReceiver)
}

func (d *files) readTransmitter(f fields) {
	const what = "a transmitter"
	t := transmitter{f: f, Transmitter: Transmitter{Transmitter: access.Transmitter{ID: f.required("id", what)},
		Issuer: f.required("issuer", what), Audience: f.required("audience", what), JWKSURL: f.place("jwks_url")}}
	if file := f.text("keys_file"); file != "" {
		t.KeysFile = d.path(file)
	}
	if f.has("jwks_url") == f.has("keys_file") {
		f.r.problem(f.here(), "a transmitter needs jwks_url or keys_file, one of the two: whose keys sign what it says")
	}
	f.issuer()
	t.Hourly = f.count("hourly", 0, 10000)
	switch f.oneOf("delivery", "push", deliveries) {
	case "push":
		t.Token = f.digest("token_sha256")
		f.notBeside("delivery: push", "endpoint", "token_ref", "every")
	default:
		f.needs("a transmitter that is polled", "endpoint", "token_ref")
		t.Poll, t.TokenRef, t.Every = f.place("endpoint"), d.reference(f, "token_ref", ""), f.duration("every", 30*time.Second, 5*time.Second, 24*time.Hour)
		f.notBeside("delivery: poll", "token_sha256")
	}
	t.Subjects = d.subjects(f, t.Issuer, false)
	heeds, finds := f.texts("heeds"), f.texts("finds")
	t.Heeds, t.Finds = plainTexts(heeds), plainTexts(finds)
	for key, list := range map[string][]item{"heeds": heeds, "finds": finds} {
		for _, e := range list {
			switch known := access.SignalURI(e.text) != "" && e.text != access.SignalVerification && e.text != access.SignalStream; {
			case !known:
				d.problem(e.at, "%s: there is no event %q%s", key, access.Brief(e.text), d.instead(e.text, maps.Values(access.SignalURIs)))
			case key == "heeds" && !slices.Contains(heedable, e.text):
				d.problem(e.at, "heeds: nothing follows from %s by itself; put it in finds to have people told", e.text)
			case key == "finds" && slices.Contains(t.Heeds, e.text):
				d.problem(e.at, "finds: %s is heeded already", e.text)
			}
		}
	}
	if len(t.Heeds)+len(t.Finds) == 0 {
		f.r.problem(f.here(), "a transmitter needs heeds or finds: which of its events something follows from")
	}
	if slices.Contains(t.Heeds, access.SignalDisabled) && !slices.Contains(t.Heeds, access.SignalEnabled) {
		d.warn(f.at("heeds"), "%s is heeded and %s is not: whom it suspends only people can put back", access.SignalDisabled, access.SignalEnabled)
	}
	d.transmitters = append(d.transmitters, t)
}

// place reads the address of something at a web server, and leaves it as it is written.
// No message repeats it: it may hold a password.
func (f fields) place(key string) string {
	text, ok := f.read(key)
	if !ok {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" || strings.ContainsAny(text, "#") {
		f.problem(key, "%s must be https://HOST/PATH", key)
		return ""
	}
	if why := unfitAddress(u, strings.ToLower(u.Hostname()), ""); why != "" {
		f.problem(key, "%s %s", key, why)
		return ""
	}
	return text
}

// notBeside reports keys that belong to the other way of delivery.
func (f fields) notBeside(what string, keys ...string) {
	for _, key := range keys {
		if f.has(key) {
			f.problem(key, "%s does not stand beside %s", key, what)
		}
	}
}

// subjects reads how subjects and accounts stand for each other.
func (d *files) subjects(f fields, issuer string, sent bool) (list []access.SubjectRule) {
	if f.none("subjects") {
		f.r.problem(f.here(), "subjects is needed: how an account is named in a signal")
	}
	every(f, "subjects", "a subject", subjectKeys, func(f fields) {
		r := access.SubjectRule{Format: f.oneOf("format", "", access.SubjectFormats), At: f.text("at"), Issuer: f.text("issuer"), Domain: f.text("domain")}
		f.needs("a subject", "format")
		switch {
		case r.Format == access.SubjectEmail && !sent && r.At != "":
			f.problem("at", "an address is of an identity, not of an account: leave at out")
		case (r.Format != access.SubjectEmail || sent) && r.At == "":
			f.r.problem(f.here(), "a subject needs at: the system or sign-in provider whose accounts it names")
		}
		if r.Format == access.SubjectIssSub && r.Issuer == "" {
			r.Issuer = issuer
		} else if r.Issuer != "" && r.Format != access.SubjectIssSub {
			f.problem("issuer", "issuer stands beside format: iss_sub alone")
		}
		if r.Domain != "" && r.Format != access.SubjectAccount {
			f.problem("domain", "domain stands beside format: account alone")
		} else if strings.ContainsAny(r.Domain, "@/: ") {
			f.problem("domain", "domain is what follows the @ of acct:NAME@DOMAIN")
		}
		if r.At != "" {
			d.signalsAt = append(d.signalsAt, item{r.At, f.at("at")})
		}
		list = append(list, r)
	})
	return list
}

func (d *files) readReceiver(f fields) {
	const what = "a receiver"
	r := receiver{f: f, SignalReceiver: SignalReceiver{SignalReceiver: access.SignalReceiver{ID: f.required("id", what)}, Audience: f.required("audience", what)}}
	events := f.texts("events")
	r.Events = plainTexts(events)
	if f.none("events") {
		f.r.problem(f.here(), "a receiver needs events: which of %s it is told of", strings.Join(access.SignalsSent, ", "))
	}
	for _, e := range events {
		if !slices.Contains(access.SignalsSent, e.text) {
			d.problem(e.at, "events: %q is not sent; only %s are", access.Brief(e.text), strings.Join(access.SignalsSent, ", "))
		}
	}
	switch f.oneOf("delivery", "push", deliveries) {
	case "push":
		f.needs("a receiver that is pushed to", "url")
		r.URL, r.TokenRef = f.place("url"), d.reference(f, "token_ref", "")
		f.notBeside("delivery: push", "token_sha256")
	default:
		r.Polls, r.Token = true, f.digest("token_sha256")
		f.notBeside("delivery: poll", "url", "token_ref")
	}
	r.Subjects = d.subjects(f, d.signals.Issuer, true)
	d.receivers = append(d.receivers, r)
}

// checkSignals holds them against each other and against where accounts are.
func (d *files) checkSignals() {
	if d.signals == nil {
		return
	}
	register[transmitter](d, "id", "transmitter", d.transmitters, plainID)
	register[receiver](d, "id", "receiver", d.receivers, plainID)
	places := map[string]bool{}
	for id := range d.known.systems {
		places[id] = true
	}
	for id := range d.known.providers {
		places[id] = true
	}
	for _, at := range d.signalsAt {
		refer(d, at.at, "at", "system or provider", at.text, places)
	}
	tokens := map[[sha256.Size]byte]fields{}
	token := func(f fields, sum [sha256.Size]byte) {
		if sum == ([sha256.Size]byte{}) {
			return
		}
		if first, twice := tokens[sum]; twice {
			f.problem("token_sha256", "this is also the token at %s: each needs one of its own", first.at("token_sha256"))
		}
		tokens[sum] = f
	}
	for _, t := range d.transmitters {
		token(t.f, t.Token)
		d.signals.Transmitters = append(d.signals.Transmitters, t.Transmitter)
	}
	for _, r := range d.receivers {
		token(r.f, r.Token)
		d.signals.Receivers = append(d.signals.Receivers, r.SignalReceiver)
	}
}

// Known is what the engine decides signals by.
func (s *Signals) Known() (known access.Signals) {
	if s == nil {
		return known
	}
	for _, t := range s.Transmitters {
		known.Transmitters = append(known.Transmitters, t.Transmitter)
	}
	for _, r := range s.Receivers {
		known.Receivers = append(known.Receivers, r.SignalReceiver)
	}
	return known
}

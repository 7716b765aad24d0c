package config

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

const signInFile = "sign-in.yaml"

// SignIn is how people sign in.
type SignIn struct {
	Address     string        // what people type: scheme and host, without a slash at its end
	CommandLine time.Duration // how long `lessor login` lasts; zero: there is none
	Providers   []Provider    // at least one
}

// Provider is one OpenID provider. Its id is the key under which identities have
// their accounts there, and no system's or site's id.
type Provider struct {
	ID              string
	Name            string // on the button
	Issuer          string // exactly as the provider writes it
	ClientID        string
	ClientSecretRef string // reference to a secret; empty: a public client
	Scopes          []string
	Identity        IdentityRule
	Strengths       []Strength // weakest first
}

// IdentityRule says whom of ours a provider means: a claim of its tokens, and what
// it is the same as.
type IdentityRule struct {
	Claim string
	Is    IdentityIs
	At    string // of an account: the provider, or a system, whose account name the claim is
}

// IdentityIs is what a claim is compared with.
type IdentityIs string

// What a claim can be compared with.
const (
	IsAccount IdentityIs = "account"
	IsID      IdentityIs = "id"
	IsMail    IdentityIs = "mail" // and only if the provider says that it has verified it
)

// Strength is a name that rules use in @step_up, and what a token must say for it.
type Strength struct {
	Name   string
	ACR    []string // one of these; none: not looked at
	AMR    []string // all of these; none: not looked at
	MaxAge time.Duration
}

// provider is a [Provider] with its place.
type provider struct {
	Provider
	f fields
}

func (p *provider) entry() (string, fields) { return p.ID, p.f }

var (
	signInSections = []string{"address", "command_line", "providers"}
	providerKeys   = []string{"id", "name", "issuer", "client_id", "client_secret_ref", "scopes", "identity", "strengths"}
	identityIs     = []string{string(IsAccount), string(IsID), string(IsMail)}

	// shownNames are claims for reading. People choose them, change them and share
	// them: whoever is called like somebody else would be let in as that person.
	shownNames = []string{"name", "given_name", "family_name", "middle_name", "nickname", "profile", "picture", "website", "locale", "zoneinfo"}
)

// readSignIn reads sign-in.yaml.
func (d *files) readSignIn(text []byte) {
	f, ok := d.sections(signInFile, text, signInSections)
	if !ok {
		return
	}
	f.needs("the file", "address", "providers")
	d.signIn = &SignIn{Address: f.address("address"), CommandLine: f.duration("command_line", 12*time.Hour, 0, 7*day)}
	if u, err := url.Parse(d.signIn.Address); err == nil && u.Path != "" {
		f.problem("address", "address must end with the host: the portal has it to itself")
	}
	if f.none("providers") && f.has("providers") {
		f.problem("providers", "providers is empty: write the one by which people sign in, or take the file away")
	}
	each(f, "providers", "a provider", providerKeys, d.readProvider)
}

func (d *files) readProvider(f fields) {
	p := provider{f: f, Provider: Provider{
		ID: f.required("id", "a provider"), Name: f.required("name", "a provider"), Issuer: f.required("issuer", "a provider"),
		ClientID: f.required("client_id", "a provider"), ClientSecretRef: d.reference(f, "client_secret_ref", ""),
		Scopes: plainTexts(f.texts("scopes")), Identity: IdentityRule{Claim: "sub", Is: IsAccount},
	}}
	f.issuer()
	for _, s := range f.texts("scopes") {
		if s.text == "openid" || s.text == "offline_access" || strings.ContainsAny(s.text, " \"\\") {
			d.problem(s.at, "scope %q does not belong here: openid is always asked for, and nothing that outlasts a sign-in", access.Brief(s.text))
		}
	}
	if rule, ok := f.within("identity", []string{"claim", "is", "at"}); ok {
		p.Identity.Claim = rule.required("claim", "identity")
		p.Identity.Is = IdentityIs(rule.oneOf("is", string(IsAccount), identityIs))
		p.Identity.At = rule.text("at")
		p.Identity.check(rule)
	}
	if p.Identity.Is == IsAccount && p.Identity.At == "" {
		p.Identity.At = p.ID
	}
	every(f, "strengths", "a strength", []string{"name", "acr", "amr", "max_age"}, func(f fields) {
		s := Strength{Name: f.required("name", "a strength"), ACR: plainTexts(f.texts("acr")), AMR: plainTexts(f.texts("amr")), MaxAge: f.duration("max_age", 0, time.Minute, day)}
		switch {
		case s.Name != "" && !idForm.MatchString(s.Name):
			f.problem("name", "name %s", idRule)
		case slices.ContainsFunc(p.Strengths, func(other Strength) bool { return other.Name == s.Name }):
			f.problem("name", "there is a second strength %q of this provider", access.Brief(s.Name))
		}
		if f.none("acr") && f.none("amr") {
			f.r.problem(f.here(), "a strength needs acr or amr: what a token must say for it")
		}
		p.Strengths = append(p.Strengths, s)
	})
	d.providers = append(d.providers, p)
}

// issuer checks the address of a provider and leaves it as it is written: tokens
// say it letter by letter.
func (f fields) issuer() {
	text, ok := f.read("issuer")
	if !ok || text == "" {
		return
	}
	switch u, err := url.Parse(text); {
	case err != nil || u.Host == "" || strings.ContainsAny(text, "?#"):
		f.problem("issuer", "issuer must be https://HOST or https://HOST/PATH, exactly as the provider's tokens say it")
	default:
		if why := unfitAddress(u, strings.ToLower(u.Hostname()), ""); why != "" {
			f.problem("issuer", "issuer %s", why)
		}
	}
}

func (r IdentityRule) check(f fields) {
	switch {
	case slices.Contains(shownNames, r.Claim):
		f.problem("claim", "%q is for reading: people choose it, and two can be called the same; use sub, or a claim that only the provider's own administrators set", r.Claim)
	case r.Is == IsMail && r.Claim != "email":
		f.problem("claim", "only the claim email is compared with mail: of no other does a provider say whether it was verified")
	case r.Claim == "email" && r.Is != IsMail:
		f.problem("is", "the claim email is compared with mail alone, and only where the provider has verified it: write is: mail")
	}
	if f.has("at") && r.Is != IsAccount {
		f.problem("at", "at says whose account a claim is: it stands beside is: account alone")
	}
}

// checkProviders holds the providers against each other and everything else.
func (d *files) checkProviders() {
	issuers, used := map[string]*provider{}, d.placesUsed()
	for n := range d.providers {
		p := &d.providers[n]
		if p.ID != "" && d.known.systems[p.ID] == nil && d.known.sites[p.ID] == nil {
			d.checkProviderUse(p, used)
		} else if p.ID != "" {
			p.f.problem("id", "there is a system or site %q: a provider needs an id of its own", access.Brief(p.ID))
		}
		if at := p.Identity.At; at != "" && at != p.ID {
			refer(d, p.f.at("identity"), "at", "system", at, d.known.systems)
		}
		if first, taken := issuers[p.Issuer+" "+p.ClientID]; taken && p.Issuer != "" {
			p.f.problem("issuer", "this is also the provider at %s, with the same client_id", first.f.at("issuer"))
		}
		issuers[p.Issuer+" "+p.ClientID] = p
		if d.signIn != nil && strings.HasPrefix(d.signIn.Address, "https://") && !strings.HasPrefix(p.Issuer, "https://") && p.Issuer != "" {
			d.warn(p.f.at("issuer"), "issuer is on this machine's own loopback, and address is not: nobody elsewhere can sign in there")
		}
	}
	if d.signIn != nil {
		d.signIn.Providers = nil
		for _, p := range d.providers {
			d.signIn.Providers = append(d.signIn.Providers, p.Provider)
		}
	}
}

func (d *files) checkProviderUse(p *provider, used map[string]bool) {
	if p.Identity.At == p.ID && !used[p.ID] && !d.partial {
		d.warn(p.f.at("id"), "nobody has an account at provider %q: write accounts: {%s: SUBJECT} for whoever signs in there; its page says the subject of whom it does not know", access.Brief(p.ID), access.Brief(p.ID))
	}
}

// Identify returns whom of the directory a provider means by that value of its
// rule's claim: exactly one person, or nobody.
func (r IdentityRule) Identify(dir *access.Directory, value string, verified bool) (id string, ok bool) {
	if value == "" {
		return "", false
	}
	switch r.Is {
	case IsID:
		id = value
	case IsMail:
		if id = byMail(dir, value); !verified {
			id = ""
		}
	default:
		id, _ = dir.ByAccount(r.At, value)
	}
	who, known := dir.Identity(id)
	return id, known && who.Kind == access.Person
}

// byMail finds who has an address; two who share it are nobody. Only letters of
// ASCII are taken for each other in another case: others have lookalikes.
func byMail(dir *access.Directory, mail string) (id string) {
	plain := func(s string) string {
		return strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				return r + 'a' - 'A'
			}
			return r
		}, s)
	}
	for _, other := range dir.Identities() {
		if i, _ := dir.Identity(other); i.Mail != "" && plain(i.Mail) == plain(mail) {
			if id != "" {
				return ""
			}
			id = other
		}
	}
	return id
}

// providerIDs are the places beside systems and sites at which people have accounts.
func (d *files) providerIDs() []string { return slices.Sorted(maps.Keys(d.known.providers)) }

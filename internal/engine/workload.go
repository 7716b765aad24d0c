package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// NewWorkload is what somebody writes down: from a finding, or by hand.
type NewWorkload struct {
	ID       string              `json:"id"`
	Kind     access.IdentityKind `json:"kind,omitempty"` // workload, or agent; empty: workload
	Name     string              `json:"name"`
	Owner    string              `json:"owner,omitempty"` // empty: whoever registers it
	Accounts map[string]string   `json:"accounts,omitempty"`
	Contract access.Contract     `json:"contract"`
	Finding  string              `json:"finding,omitempty"` // of an unregistered account: that is its account
	Reason   string              `json:"reason"`
}

// workloadSource says in the roster that an identity was registered here.
const workloadSource = "registered"

// RegisterWorkload writes a workload or an agent down, under a contract that leaves
// nothing open. For oneself it counts at once; for another, once that person has
// accepted. An account is claimed only by whoever answers for its system, whom the
// reading proposed, or security for somebody else: an account that nobody owns, and
// what it holds, is not there for the taking.
func (e *Engine) RegisterWorkload(ctx context.Context, by access.Actor, w NewWorkload) (r access.Registration, err error) {
	err = e.do(ctx, "register workload", by, func(d *deed) error {
		if err := d.personal("registers workloads"); err != nil {
			return err
		}
		me := d.world.Directory.PersonOf(by.Identity)
		// 1. What is to be registered, in full and checked.
		r = access.Registration{ID: d.e.ids.next("wr", d.now), By: by.Identity, Finding: w.Finding, Reason: strings.TrimSpace(w.Reason), At: d.now}
		if err := d.fromFinding(ctx, &w); err != nil {
			return err
		}
		if r.Identity, err = d.newWorkload(w); err != nil {
			return err
		}
		// 2. May this person claim these accounts, for this owner? Whoever may not learns
		// nothing of whose they are.
		for _, system := range slices.Sorted(keysOf(r.Identity.Accounts)) {
			if err := d.mayClaim(ctx, system, r.Identity.Accounts[system], me, r.Identity.Owner); err != nil {
				return err
			}
		}
		if err := d.free(ctx, r.Identity, ""); err != nil {
			return err
		}
		if err := d.mayPropose(ctx, r.Identity.Owner, me); err != nil {
			return err
		}
		// 3. It waits for its owner; for oneself it has been accepted.
		mine := d.world.Directory.PersonOf(r.Identity.Owner) == me
		if mine {
			r.Decided, r.Accepted = d.now, true
		}
		if err := d.AddRegistration(ctx, r); err != nil {
			return err
		}
		if mine {
			return d.registered(ctx, r, "accepted")
		}
		if err := d.tellRegistration(ctx, r, "offered"); err != nil {
			return err
		}
		return d.notice(ctx, Notice{To: []string{r.Identity.Owner}, Subject: "workload " + r.Identity.ID + ": will you answer for it?",
			Text: fmt.Sprintf("%s proposes that you answer for %s (%s): %s. It counts once you accept: registration %s.", by.Identity, r.Identity.ID, r.Identity.Contract.Purpose, r.Reason, r.ID)})
	})
	return r, err
}

// AcceptWorkload has a workload that was proposed count. Only its owner can.
func (e *Engine) AcceptWorkload(ctx context.Context, by access.Actor, registration string) (r access.Registration, err error) {
	err = e.do(ctx, "accept workload", by, func(d *deed) error {
		if r, err = d.openRegistration(ctx, registration); err != nil {
			return err
		}
		if d.world.Directory.PersonOf(r.Identity.Owner) != d.world.Directory.PersonOf(by.Identity) {
			return fmt.Errorf("%w: only %s can accept registration %s", access.ErrDenied, r.Identity.Owner, r.ID)
		}
		if err := d.free(ctx, r.Identity, r.ID); err != nil { // meanwhile somebody may have written it down
			return err
		}
		r.Decided, r.Accepted = d.now, true
		if err := d.DecideRegistration(ctx, r); err != nil {
			return err
		}
		return d.registered(ctx, r, "accepted")
	})
	return r, err
}

// DeclineWorkload refuses a workload that was proposed, by its owner, or takes it
// back, by whoever proposed it. What was found stays found.
func (e *Engine) DeclineWorkload(ctx context.Context, by access.Actor, registration, reason string) error {
	return e.do(ctx, "decline workload", by, func(d *deed) error {
		r, err := d.openRegistration(ctx, registration)
		if err != nil {
			return err
		}
		if why := unsaid(reason); why != "" {
			return fmt.Errorf("%w: reason %s", access.ErrInvalid, why)
		}
		r.Decided, r.Note = d.now, reason
		if err := d.DecideRegistration(ctx, r); err != nil {
			return err
		}
		return d.tellRegistration(ctx, r, "declined")
	})
}

// personal refuses whoever is no active person of the house: neither workloads nor
// agents write anybody down, and no external person answers for anything.
func (d *deed) personal(does string) error {
	if err := d.scope(ScopeRequest); err != nil {
		return err
	}
	id, ok := d.world.Directory.Identity(d.by.Identity)
	if !ok || id.Kind != access.Person || id.External || !d.active(d.by.Identity) {
		return fmt.Errorf("%w: only an active person of the house %s", access.ErrDenied, does)
	}
	return nil
}

// openRegistration reads one that waits, for those whom it concerns.
func (d *deed) openRegistration(ctx context.Context, id string) (access.Registration, error) {
	if err := d.personal("answers for workloads"); err != nil {
		return access.Registration{}, err
	}
	dir := d.world.Directory
	r, err := d.Registration(ctx, id)
	me := dir.PersonOf(d.by.Identity)
	if errors.Is(err, access.ErrNotFound) || err == nil && me != dir.PersonOf(r.Identity.Owner) && me != dir.PersonOf(r.By) {
		return r, fmt.Errorf("%w: registration %.80q", access.ErrNotFound, id)
	}
	if err == nil && !r.Decided.IsZero() {
		err = fmt.Errorf("%w: registration %s was decided at %s", access.ErrGone, r.ID, r.Decided.Format("2006-01-02 15:04:05 UTC"))
	}
	return r, err
}

// fromFinding takes the account from what was found.
func (d *deed) fromFinding(ctx context.Context, w *NewWorkload) error {
	if w.Finding == "" {
		return nil
	}
	f, err := d.Finding(ctx, w.Finding)
	if errors.Is(err, access.ErrNotFound) {
		return fmt.Errorf("%w: finding %.80q", access.ErrNotFound, w.Finding)
	} else if err != nil {
		return err
	}
	system, account, _ := strings.Cut(f.Subject, " ")
	if f.Kind == access.WorkloadUnregistered {
		proposed, err := d.proposedFor(ctx, system, account)
		if err != nil {
			return err
		}
		dir := d.world.Directory
		sys, _ := dir.System(system)
		if me := dir.PersonOf(d.by.Identity); !d.mayKnowFinding(f) && dir.PersonOf(proposed) != me && dir.PersonOf(sys.Owner) != me {
			return fmt.Errorf("%w: finding %.80q", access.ErrNotFound, w.Finding)
		}
	}
	switch {
	case f.Kind != access.WorkloadUnregistered && !d.mayKnowFinding(f):
		return fmt.Errorf("%w: finding %.80q", access.ErrNotFound, w.Finding)
	case f.Kind != access.WorkloadUnregistered:
		return fmt.Errorf("%w: a finding %s is not about an unregistered workload", access.ErrInvalid, f.Kind)
	case !f.ClosedAt.IsZero():
		return fmt.Errorf("%w: finding %s was closed: %s", access.ErrGone, f.ID, f.Resolution)
	}
	accounts := map[string]string{system: account}
	for s, a := range w.Accounts {
		if s == system && a != account {
			return fmt.Errorf("%w: finding %s is about account %.80q of %s, not %.80q", access.ErrInvalid, f.ID, account, s, a)
		}
		accounts[s] = a
	}
	w.Accounts = accounts
	return nil
}

var workloadID = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// newWorkload checks what somebody wrote, and says every mistake at once.
func (d *deed) newWorkload(w NewWorkload) (i access.Identity, err error) {
	dir := d.world.Directory
	var errs []error
	wrong := func(format string, a ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{access.ErrInvalid}, a...)...))
	}
	if w.Kind == "" {
		w.Kind = access.Workload
	}
	if w.Owner == "" {
		w.Owner = d.by.Identity
	}
	w.Contract.Reviewed = d.now // whoever writes it down has just looked at it
	i = access.Identity{ID: w.ID, Kind: w.Kind, Name: strings.TrimSpace(w.Name), Owner: w.Owner, Accounts: w.Accounts, Contract: &w.Contract}
	if !workloadID.MatchString(w.ID) {
		wrong("id %.80q must be 1 to 64 of a-z, 0-9, dot, underscore and hyphen, and begin with a letter or digit", w.ID)
	}
	if dir.Reserved(w.ID) {
		wrong("id %.80q is a group's name or Lessor's own, and can be nobody's", w.ID)
	}
	switch w.Kind {
	case access.Workload:
	case access.Agent:
		i.Sponsor = w.Owner // who is bound by it must be who accepts it
	default:
		wrong("kind %.20q is neither workload nor agent", w.Kind)
	}
	if why := unclean(i.Name, mostName); i.Name == "" || why != "" {
		wrong("name %s", cmp.Or(why, "is empty; say what people call it"))
	}
	if why := unsaid(w.Reason); why != "" {
		wrong("reason %s", why)
	}
	owner, ok := dir.Identity(w.Owner)
	if !ok || owner.Kind != access.Person || owner.External || !d.active(w.Owner) {
		wrong("owner %.80q is no active person of the house", w.Owner)
	}
	for system, account := range w.Accounts {
		if _, ok := dir.System(system); !ok {
			wrong("there is no system %.80q", system)
		}
		if why := unclean(account, mostName); why != "" || account == "" {
			wrong("the account at %s is empty or %s", system, why)
		}
	}
	if err := d.checkContract(i, w.Contract); err != nil {
		errs = append(errs, err)
	}
	return i, errors.Join(errs...)
}

// mostOfContract is how much of a kind one contract names.
const mostOfContract = 1000

// checkContract holds that a contract is whole, and that what it names is there.
func (d *deed) checkContract(i access.Identity, c access.Contract) error {
	dir := d.world.Directory
	var errs []error
	wrong := func(format string, a ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{access.ErrInvalid}, a...)...))
	}
	if lacks := c.Lacks(); len(lacks) > 0 {
		wrong("the contract does not say %s", strings.Join(lacks, ", "))
	}
	for what, text := range map[string]string{"purpose": c.Purpose, "retires_when": c.RetiresWhen, "third_party": c.ThirdParty} {
		if why := unclean(text, mostReason); why != "" {
			wrong("%s %s", what, why)
		}
	}
	for _, name := range c.Consumers {
		if why := unclean(name, mostName); why != "" || strings.TrimSpace(name) == "" {
			wrong("consumer %.80q is empty or %s", name, why)
		}
	}
	if n := max(len(c.Consumers), len(i.Accounts), len(c.Systems), len(c.Entitlements)); n > mostOfContract {
		wrong("it names %d consumers, accounts, systems or entitlements; at most %d of each", n, mostOfContract)
	}
	if c.RotateEvery < 0 || c.ReviewEvery < 0 {
		wrong("rotate_every and review_every are not less than nothing")
	}
	if c.Environment != "" && !workloadID.MatchString(c.Environment) {
		wrong("environment %.80q must be production, or another word of a-z, 0-9, dot, underscore and hyphen", c.Environment)
	}
	if c.Deputy != "" {
		deputy, ok := dir.Identity(c.Deputy)
		if !ok || deputy.Kind != access.Person || !d.active(c.Deputy) || dir.PersonOf(c.Deputy) == dir.PersonOf(i.Owner) {
			wrong("deputy %.80q must be an active person, and another than the owner", c.Deputy)
		}
	}
	for _, s := range c.Systems {
		if _, ok := dir.System(s); !ok {
			wrong("there is no system %.80q", s)
		}
	}
	for _, name := range c.Entitlements {
		if ent, ok := dir.Entitlement(name); !ok || !c.Allows(ent) {
			wrong("there is no entitlement %.80q at the systems it names", name)
		}
	}
	if !c.Retires.IsZero() && !c.Retires.After(d.now) {
		wrong("it would be retired at %s, which is over", c.Retires.Format("2006-01-02"))
	}
	return errors.Join(errs...)
}

// free refuses an identity or an account that is somebody's already, or that is
// proposed for somebody else.
func (d *deed) free(ctx context.Context, i access.Identity, but string) error {
	dir := d.world.Directory
	if _, taken := dir.Identity(i.ID); taken {
		return fmt.Errorf("%w: there is an identity %s already", access.ErrConflict, i.ID)
	}
	if _, err := d.RegisteredIdentity(ctx, i.ID); !errors.Is(err, access.ErrNotFound) {
		return errors.Join(err, fmt.Errorf("%w: there is an identity %s already", access.ErrConflict, i.ID))
	}
	if open, err := d.OpenRegistrationOf(ctx, i.ID); err == nil && open.ID != but {
		return fmt.Errorf("%w: %s is proposed already, as registration %s", access.ErrConflict, i.ID, open.ID)
	} else if err != nil && !errors.Is(err, access.ErrNotFound) {
		return err
	}
	for system, account := range i.Accounts {
		if dir.Taken(system, account) {
			return fmt.Errorf("%w: account %.80q of %s is somebody's already", access.ErrConflict, account, system)
		}
	}
	return nil
}

// mayClaim refuses whoever would take an account that is not for them to give or take.
func (d *deed) mayClaim(ctx context.Context, system, account, me, owner string) error {
	dir := d.world.Directory
	sys, _ := dir.System(system)
	proposed, err := d.proposedFor(ctx, system, account)
	switch {
	case err != nil:
		return err
	case sys.Owner != "" && dir.PersonOf(sys.Owner) == me, proposed != "" && dir.PersonOf(proposed) == me:
		return nil
	case slices.Contains(dir.GroupsOf(d.by.Identity), "security") && dir.PersonOf(owner) != me:
		return nil
	}
	return fmt.Errorf("%w: account %.80q of %s is not yours to give or take: ask %s, who owns the system, to register it", access.ErrDenied, account, system, sys.Owner)
}

// mostProposed is how many proposals of one person may wait for another: nobody is flooded.
const mostProposed = 20

func (d *deed) mayPropose(ctx context.Context, owner, me string) error {
	dir := d.world.Directory
	if dir.PersonOf(owner) == me {
		return nil
	}
	open, err := d.OpenRegistrations(ctx, owner, 1<<30)
	if err != nil {
		return err
	}
	open = slices.DeleteFunc(open, func(r access.Registration) bool { return dir.PersonOf(r.By) != me })
	if len(open) >= mostProposed {
		return fmt.Errorf("%w: %d of your proposals wait for %s, and no more than %d may", access.ErrDenied, len(open), owner, mostProposed)
	}
	return nil
}

// proposedFor is whom the last reading proposed as the owner of an account.
func (d *deed) proposedFor(ctx context.Context, system, account string) (string, error) {
	list, err := d.MachineAccountsOf(ctx, system, []string{account})
	if err != nil || len(list) == 0 {
		return "", err
	}
	return list[0].Proposed, nil
}

// registered puts a workload into the roster, and closes what was found of its accounts.
func (d *deed) registered(ctx context.Context, r access.Registration, how string) error {
	if err := d.tellRegistration(ctx, r, how); err != nil {
		return err
	}
	if err := d.register(ctx, store.Registered{Identity: r.Identity, Source: workloadSource}, "registered", r.Reason); err != nil {
		return err
	}
	for system, account := range r.Identity.Accounts {
		if err := d.settleFinding(ctx, access.WorkloadUnregistered, system+" "+account, "it is registered as "+r.Identity.ID); err != nil {
			return err
		}
	}
	return nil
}

func (d *deed) tellRegistration(ctx context.Context, r access.Registration, how string) error {
	ev := d.event("registration." + how)
	ev.To, ev.Note, ev.After = how, r.Note, r
	return d.tell(ctx, ev)
}

package enginetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/deliver"
)

// Token and Password are the kinds of credentials that [Keys] makes: several beside each
// other that the target makes, and one of an account that is chosen.
const (
	Token    = "access token"
	Password = "password"
)

// broken is how the next calls go wrong, by their names; each may take effect or not,
// now or late, whatever is answered.
type broken struct {
	mu      sync.Mutex
	now     func() time.Time
	call    time.Duration
	faults  map[string][]Fault
	always  map[string]Fault
	pick    func(op string) Fault
	landing []landed
}

type landed struct {
	at time.Time
	do func()
}

// Break makes the next calls of that name go wrong, one fault a call.
func (b *broken) Break(op string, faults ...Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults[op] = append(b.faults[op], faults...)
}

// Clear takes back what Break says of that name and has not come to pass.
func (b *broken) Clear(op string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.faults, op)
}

// Always makes every further call of that name go wrong, until it is None.
func (b *broken) Always(op string, f Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.always[op] = f
}

// Pick has the fault of each further call chosen; nil: no more.
func (b *broken) Pick(pick func(op string) Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pick = pick
}

// do runs one call under its fault; what changes something is given as do.
func (b *broken) do(op string, do func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.land()
	f := b.always[op]
	if list := b.faults[op]; len(list) > 0 {
		f, b.faults[op] = list[0], list[1:]
	} else if b.pick != nil {
		f = b.pick(op)
	}
	switch f {
	case Refuse:
		return fmt.Errorf("%w: %s", connector.ErrRefused, op)
	case Unreachable, Blind:
		return fmt.Errorf("%w: %s", connector.ErrUnreachable, op)
	case Throttle:
		return &connector.RetryAfter{Wait: 5 * time.Minute, Err: fmt.Errorf("%w: %s", connector.ErrRefused, op)}
	case Lost:
		return fmt.Errorf("%w: %s", connector.ErrUnanswered, op)
	case LostDone:
		_ = do() // whatever came of it, nobody hears
		return fmt.Errorf("%w: %s", connector.ErrUnanswered, op)
	case Late:
		b.landing = append(b.landing, landed{b.now().Add(b.call - time.Millisecond), func() { _ = do() }})
		return fmt.Errorf("%w: %s", connector.ErrUnanswered, op)
	case Lie:
		return nil
	}
	return do()
}

// land lets happen what was sent before and arrives by now.
func (b *broken) land() {
	for i := 0; i < len(b.landing); i++ {
		if l := b.landing[i]; !b.now().Before(l.at) {
			b.landing = slices.Delete(b.landing, i, i+1)
			l.do()
			i--
		}
	}
}

func newBroken(now func() time.Time, call time.Duration) broken {
	return broken{now: now, call: call, faults: map[string][]Fault{}, always: map[string]Fault{}}
}

// Keys is a target in memory whose credentials are made and ended from outside. Its
// calls are "issue", "marked", "kill", "try" and "list".
type Keys struct {
	broken
	Lingers time.Duration // of what was killed or replaced
	all     []*key
	made    int
}

type key struct {
	connector.Credential
	mark  string
	worth string
	dead  time.Time
}

// NewKeys returns a target without credentials. call is the longest time a call takes to land.
func NewKeys(now func() time.Time, call time.Duration) *Keys {
	return &Keys{broken: newBroken(now, call)}
}

var (
	_ connector.Issuer      = (*Keys)(nil)
	_ connector.Credentials = (*Keys)(nil)
)

// Issues implements connector.Issuer.
func (k *Keys) Issues() []connector.IssuedKind {
	return []connector.IssuedKind{{Kind: Token, Lingers: k.Lingers}, {Kind: Password, Chosen: true, Lingers: k.Lingers}}
}

// Issue implements connector.Issuer.
func (k *Keys) Issue(_ context.Context, o connector.Order) (made connector.Issued, err error) {
	kind, err := o.Check(k.Issues())
	if err != nil {
		return made, err
	}
	worth := string(o.Worth)
	err = k.do("issue", func() error {
		if !kind.Chosen && slices.ContainsFunc(k.all, func(c *key) bool { return c.dead.IsZero() && c.mark == o.Mark }) {
			return fmt.Errorf("%w: the mark stands for another", connector.ErrRefused)
		}
		k.made++
		c := &key{Credential: connector.Credential{ID: fmt.Sprintf("%s-%d", o.Account, k.made), Kind: o.Kind, Account: o.Account, Name: o.Mark, Issued: k.now(), Ends: o.Ends},
			mark: o.Mark, worth: cmp.Or(worth, fmt.Sprintf("worth-%d-of-%s", k.made, o.Account))}
		if kind.Chosen {
			c.ID, c.mark, c.Name = o.Account, "", ""
			for _, old := range k.all {
				if old.Kind == o.Kind && old.Account == o.Account && old.dead.IsZero() {
					old.dead = k.now()
				}
			}
		}
		k.all = append(k.all, c)
		made = connector.Issued{Credential: c.Credential, Worth: connector.Worth(c.worth)}
		return nil
	})
	if err != nil {
		return connector.Issued{}, err
	}
	return made, nil
}

// Marked implements connector.Issuer.
func (k *Keys) Marked(_ context.Context, o connector.Order) (list []connector.Credential, err error) {
	err = k.do("marked", func() error {
		for _, c := range k.all {
			if c.dead.IsZero() && c.mark != "" && c.mark == o.Mark && c.Account == o.Account {
				list = append(list, c.Credential)
			}
		}
		return nil
	})
	return list, err
}

// Kill implements connector.Issuer.
func (k *Keys) Kill(_ context.Context, kill connector.Credential) error {
	return k.do("kill", func() error {
		for _, c := range k.all {
			if c.dead.IsZero() && c.Account == kill.Account && c.Kind == kill.Kind && (c.Kind == Password || c.ID == kill.ID) {
				c.dead = k.now()
			}
		}
		return nil
	})
}

// Try implements connector.Issuer.
func (k *Keys) Try(_ context.Context, by connector.Credential, worth connector.Worth) (in bool, err error) {
	if err := worth.Presentable(); err != nil {
		return false, err
	}
	err = k.do("try", func() error {
		for _, c := range k.all {
			if c.Account == by.Account && c.worth == string(worth) && (c.dead.IsZero() || k.now().Before(c.dead.Add(k.Lingers))) {
				in, c.Used = true, k.now()
			}
		}
		return nil
	})
	return in, err
}

// Credentials implements connector.Credentials.
func (k *Keys) Credentials(_ context.Context, yield func(connector.Credential) error) error {
	return k.do("list", func() error {
		for _, c := range k.all {
			if c.dead.IsZero() {
				if err := yield(c.Credential); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Alive lists the worths of an account's credentials of a kind that let in, by the
// target's own means.
func (k *Keys) Alive(account, kind string) (worths []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.land()
	for _, c := range k.all {
		if c.Account == account && c.Kind == kind && (c.dead.IsZero() || k.now().Before(c.dead.Add(k.Lingers))) {
			worths = append(worths, c.worth)
		}
	}
	return worths
}

// Use has a consumer use a worth.
func (k *Keys) Use(worth string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.all {
		if c.worth == worth && c.dead.IsZero() {
			c.Used = k.now()
		}
	}
}

// Plant makes one behind our back, and returns its id.
func (k *Keys) Plant(account, kind, worth string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.made++
	c := &key{Credential: connector.Credential{ID: fmt.Sprintf("planted-%d", k.made), Kind: kind, Account: account, Name: "planted"}, worth: worth}
	k.all = append(k.all, c)
	return c.ID
}

// Safe is a secret store in memory. Its calls are "put", "get", "current" and "forget".
type Safe struct {
	broken
	refs map[string]*kept
}

type kept struct {
	current int64
	worths  map[int64]string
}

// NewSafe returns an empty store. call is the longest time a call takes to land.
func NewSafe(now func() time.Time, call time.Duration) *Safe {
	return &Safe{broken: newBroken(now, call), refs: map[string]*kept{}}
}

var _ deliver.Store = (*Safe)(nil)

func (s *Safe) at(ref string) *kept {
	if s.refs[ref] == nil {
		s.refs[ref] = &kept{worths: map[int64]string{}}
	}
	return s.refs[ref]
}

// Put implements deliver.Store.
func (s *Safe) Put(_ context.Context, ref string, generation int64, worth connector.Worth) error {
	if err := deliver.Fit(generation, worth); err != nil {
		return err
	}
	text := string(worth)
	return s.do("put", func() error {
		k := s.at(ref)
		if generation < k.current {
			return deliver.ErrOlder
		}
		k.current, k.worths[generation] = generation, text
		return nil
	})
}

// Get implements deliver.Store.
func (s *Safe) Get(_ context.Context, ref string, generation int64) (worth connector.Worth, err error) {
	err = s.do("get", func() error {
		text, ok := s.at(ref).worths[generation]
		if !ok {
			return deliver.ErrNotFound
		}
		worth = connector.Worth(text)
		return nil
	})
	return worth, err
}

// Current implements deliver.Store.
func (s *Safe) Current(_ context.Context, ref string) (n int64, err error) {
	err = s.do("current", func() error { n = s.at(ref).current; return nil })
	return n, err
}

// Forget implements deliver.Store.
func (s *Safe) Forget(_ context.Context, ref string, generation int64) error {
	return s.do("forget", func() error {
		k := s.at(ref)
		if k.current == generation && generation != 0 {
			return deliver.ErrCurrent
		}
		delete(k.worths, generation)
		return nil
	})
}

// CheckRef implements deliver.Store.
func (s *Safe) CheckRef(ref string) error {
	if ref == "" {
		return fmt.Errorf("%w: it is empty", connector.ErrRefused)
	}
	return nil
}

// Close implements deliver.Store.
func (s *Safe) Close() error { return nil }

// Read is what a consumer reads at a reference now.
func (s *Safe) Read(ref string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.land()
	k := s.at(ref)
	return k.worths[k.current]
}

// Kept lists the generations whose worth is there, in order.
func (s *Safe) Kept(ref string) (list []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for g := range s.at(ref).worths {
		list = append(list, g)
	}
	slices.Sort(list)
	return list
}

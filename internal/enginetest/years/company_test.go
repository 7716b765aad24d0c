package years

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/deliver"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/rotate"
	"github.com/lessor-iam/lessor/internal/store"
)

const hour = access.Term(time.Hour)

// pace is one by which five years are not spent on looking again.
var pace = access.Pace{Lease: 40 * time.Second, Call: 10 * time.Second, Retry: time.Second, SlowestOff: 30 * time.Minute, Recheck: 3 * day, Confirm: time.Minute}

// managers are by their numbers in the feed.
var managers = map[string]string{"1": "mia", "2": "owen", "3": "otto"}

// company is what lives.
type company struct {
	*enginetest.Fixture
	t       *testing.T
	long    bool // the long run
	rand    *rand.Rand
	met     map[string]int
	staff   []access.Record // who works here, as the feed has them
	ever    int             // how many have
	perWeek float64         // requests, about
	keys    *enginetest.Keys
	safe    *enginetest.Safe
	rotator *rotate.Lane

	incidents int
	unseen    []string // what was taken without asking, and nobody has looked at
	bots      []string // workloads that were registered and are not gone

	base    engine.World // before anybody joined
	past    []time.Time  // when something came to it, in order; what is in files, or it would be measured
	files   string       // the folder they are in
	version int64
}

func begin(t *testing.T, d store.Dialect, seed uint64, asks int) *company {
	t.Helper()
	c := &company{t: t, long: os.Getenv("LESSOR_TEST_LONG") != "", files: t.TempDir(), rand: rand.New(rand.NewPCG(seed, 5)), met: map[string]int{}, perWeek: float64(asks) / weeks}
	c.Fixture = enginetest.Open(t, d, func(o *enginetest.Options) {
		o.Pace = pace
		o.Company.Feeds = []access.Feed{{ID: "hr", Kind: "csv", Identity: "user", Gives: access.FeedGives, Shrink: 20, Match: []access.Match{{Attribute: "user", Equals: "id"}}}}
		o.Company.Plans = []access.CredentialPlan{{ID: "robot-key", System: "git", Account: "robot", Kind: enginetest.Token, Store: "kept", Ref: "robot", Every: access.Term(30 * day), Overlap: hour}}
		o.Company.Groups[enginetest.Glass.Group] = access.GroupMembers{ID: enginetest.Glass.Group, Members: []string{"eve", "bob"}}
		for i := range 20 {
			system, owner := enginetest.Systems[i%2], []string{"owen", "otto"}[i%2]
			name := fmt.Sprintf("shelf-%d", i)
			o.Company.Entitlements[system+":"+name] = access.Entitlement{ID: system + ":" + name, System: system, Object: name, Name: name, Class: "standard",
				Owners: []string{owner}, MaxTerm: access.Term(90 * day), Powers: []string{"read"}}
		}
	})
	c.base = c.WorldAt(enginetest.Noon)
	c.keys, c.safe = enginetest.NewKeys(c.Now, pace.Call), enginetest.NewSafe(c.Now, pace.Call)
	c.rotator = rotate.New(rotate.Config{Door: c.Engine, System: "git", Issuer: c.keys, Listing: c.keys, Holder: "rotator", Pace: pace, Backstop: time.Minute,
		Now: c.Now, Rand: enginetest.Rand(t), Stores: func(string) (deliver.Store, bool) { return c.safe, true }})
	for key, id := range managers {
		c.staff = append(c.staff, access.Record{Key: key, User: id, Name: id, Accounts: map[string]string{"dir": id, "git": id}})
	}
	slices.SortFunc(c.staff, func(a, b access.Record) int { return len(a.Key)*100 + int(a.Key[0]) - len(b.Key)*100 - int(b.Key[0]) })
	for range min(max(30, asks/50), 400) {
		c.join()
	}
	return c
}

// must fails the test if that is an error; the years end with it.
func (c *company) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *company) read(do func(*store.Tx) error) {
	c.t.Helper()
	c.must(c.DB.Read(c.t.Context(), do))
}

// chance is true n times of a thousand.
func (c *company) chance(n int) bool { return c.rand.IntN(1000) < n }

func (c *company) join() {
	c.ever++
	id := fmt.Sprintf("p%d", c.ever)
	c.staff = append(c.staff, access.Record{Key: fmt.Sprint(1000 + c.ever), User: id, Name: "Name of " + id, Mail: id + "@example.com", Manager: fmt.Sprint(1 + c.rand.IntN(3)),
		Department: "d1", Accounts: map[string]string{"dir": id, "git": id}})
	c.met["join"]++
}

// people reads the feed a week later: in a year a quarter leaves and is replaced, and half moves.
func (c *company) people() {
	c.t.Helper()
	here := c.staff[:len(managers):len(managers)]
	left := 0
	for _, r := range c.staff[len(managers):] {
		if c.chance(5) && left < len(c.staff)/12 && len(c.past) > 0 { // whoever was never read cannot leave
			left++
			continue
		}
		if c.chance(12) {
			r.Manager, r.Department = fmt.Sprint(1+c.rand.IntN(3)), fmt.Sprintf("d%d", c.rand.IntN(4))
			c.met["move"]++
		}
		here = append(here, r)
	}
	c.staff = here
	c.met["leave"] += left
	for range left {
		c.join()
	}
	drift, err := c.Engine.FeedRead(c.t.Context(), "hr", c.Now(), slices.Clone(c.staff))
	c.must(err)
	if drift.Left != left {
		c.t.Errorf("%d have left, and the feed says %+v", left, drift)
	}
	c.remember()
}

// remember keeps what has come to the directory since, for the oracle.
func (c *company) remember() {
	c.t.Helper()
	added, err := c.DB.AddedAfter(c.t.Context(), c.version)
	c.must(err)
	if added.Version != c.version {
		text, err := json.Marshal(added.Since)
		c.must(err)
		c.must(os.WriteFile(filepath.Join(c.files, strconv.Itoa(len(c.past))), text, 0o600))
		c.past, c.version = append(c.past, c.Now()), added.Version
	}
	c.ForgetWorlds()
}

// worlds is the snapshot in force at a moment, made anew from what is remembered and
// kept while the oracle asks.
func (c *company) worlds() func(time.Time) engine.World {
	made := map[int]engine.World{0: c.base}
	return func(at time.Time) engine.World {
		n := sort.Search(len(c.past), func(i int) bool { return c.past[i].After(at) })
		if w, ok := made[n]; ok {
			return w
		}
		var all access.Joined
		where := map[string]int{}
		for k := range n {
			var since access.Joined
			text, err := os.ReadFile(filepath.Join(c.files, strconv.Itoa(k)))
			c.must(err)
			c.must(json.Unmarshal(text, &since))
			for _, i := range since.Identities {
				if k, ok := where[i.ID]; ok {
					all.Identities[k] = i
					continue
				}
				where[i.ID] = len(all.Identities)
				all.Identities = append(all.Identities, i)
			}
			all.Hands = append(all.Hands, since.Hands...)
		}
		made[n] = c.base.In(c.base.Directory.Join(all))
		return made[n]
	}
}

package policy_test

import (
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
)

// Who has credentials changed: whoever answers for the workload, the system's owner and
// security; nobody else, no workload and no agent, and nobody who has left.
func TestMayKeep(t *testing.T) {
	t.Parallel()
	dir := access.NewDirectory([]access.Identity{
		{ID: "eve", Kind: access.Person}, {ID: "eve.2", Kind: access.Person, Same: "eve"}, {ID: "bob", Kind: access.Person}, {ID: "owen", Kind: access.Person},
		{ID: "sara", Kind: access.Person}, {ID: "sid", Kind: access.Person, Inactive: true},
		{ID: "robot", Kind: access.Workload, Owner: "eve"}, {ID: "pilot", Kind: access.Agent, Owner: "eve", Sponsor: "eve"}, {ID: "bot", Kind: access.Workload, Owner: "sara"},
	}, []access.GroupMembers{{ID: "security", Members: []string{"sara", "sid", "bot"}}}, []access.System{{ID: "dir", Owner: "owen"}}, nil, nil)
	set := mustLoad(t, nil)
	for who, may := range map[string]bool{"eve": true, "eve.2": true, "owen": true, "sara": true,
		"bob": false, "sid": false, "bot": false, "robot": false, "pilot": false, "nobody": false, "": false} {
		for _, q := range []string{policy.QuestionRotate, policy.QuestionRetire, policy.QuestionCompromised} {
			d := set.MayKeep(policy.Held{Now: noon, Directory: dir, ID: "pay", Kind: "password", System: "dir", Holder: "robot", Planned: true}, access.Actor{Identity: who}, q)
			if d.Allow != may || d.Why == "" || len(d.Errors) > 0 && may {
				t.Errorf("%s %s: %+v", who, q, d)
			}
		}
	}
	held := policy.Held{Now: noon, Directory: dir, ID: "cr-1", Kind: "ssh key", System: "dir"}
	for who, may := range map[string]bool{"eve": false, "owen": true, "sara": true} {
		if d := set.MayKeep(held, access.Actor{Identity: who}, policy.QuestionCompromised); d.Allow != may {
			t.Errorf("nobody's: %s: %+v", who, d)
		}
	}
	if d := set.MayKeep(held, access.Actor{Identity: "sara"}, policy.QuestionView); d.Allow {
		t.Errorf("another question: %+v", d)
	}
	if d := set.MayKeep(policy.Held{}, access.Actor{Identity: "sara"}, policy.QuestionRetire); d.Allow {
		t.Errorf("without a directory: %+v", d)
	}
}

package access

import "testing"

// Somebody has registered a workload under an id that the files later give to somebody
// else: nothing of what was registered becomes theirs, or their access would be given
// to an account of whoever registered it.
func TestJoinDoesNotFillAnother(t *testing.T) {
	t.Parallel()
	files := NewDirectory([]Identity{
		{ID: "nora", Kind: Person, Name: "Nora", Accounts: map[string]string{"git": "nora"}},
		{ID: "biller", Kind: Workload, Name: "Biller", Owner: "eve", Accounts: map[string]string{"git": "biller"}},
		{ID: "own", Kind: Workload, Name: "Own", Owner: "mallory"},
	}, nil, nil, nil, nil)
	d := files.Join(Joined{Identities: []Identity{
		{ID: "nora", Kind: Workload, Name: "not nora", Owner: "mallory", Mail: "m@x", Accounts: map[string]string{"ldap": "svc-mallory"}},
		{ID: "biller", Kind: Workload, Name: "not the biller", Owner: "mallory", Accounts: map[string]string{"ldap": "svc-mallory"}, Inactive: true},
		{ID: "own", Kind: Workload, Name: "Own", Owner: "mallory", Accounts: map[string]string{"ldap": "svc-own"}},
	}})
	for _, id := range []string{"nora", "biller"} {
		if i, _ := d.Identity(id); i.Accounts["ldap"] != "" || i.Mail != "" || i.Owner == "mallory" {
			t.Errorf("%s is %+v", id, i)
		}
	}
	if i, _ := d.Identity("biller"); !i.Inactive {
		t.Error("what was retired is active again")
	}
	if i, _ := d.Identity("own"); i.Accounts["ldap"] != "svc-own" {
		t.Errorf("the same workload, now in the files too: %+v", i)
	}
}

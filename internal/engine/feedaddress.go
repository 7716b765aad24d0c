package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// sharedAddresses keeps the finding that people of a feed share an address with others, in
// feeds or in the files, as long as that is so: no sign-in goes by it, for any of them. mine
// are the identities of the feed's records.
func (d *deed) sharedAddresses(ctx context.Context, f access.Feed, mine []string) error {
	dir := d.world.Directory
	of := map[string][]string{}
	for _, id := range mine {
		if i, ok := dir.Identity(id); ok && i.Mail != "" && i.ActiveAt(d.now) {
			of[access.Fold(i.Mail)] = nil
		}
	}
	for _, id := range dir.Identities() {
		i, _ := dir.Identity(id)
		mail := access.Fold(i.Mail)
		if people, asked := of[mail]; asked && i.Kind == access.Person && i.ActiveAt(d.now) && !slices.Contains(people, dir.PersonOf(id)) {
			of[mail] = append(people, dir.PersonOf(id))
		}
	}
	var named []string
	more := 0
	for _, mail := range inOrder(of) {
		switch {
		case len(of[mail]) < 2:
		case len(named) < mostNamed:
			named = append(named, fmt.Sprintf("%s: %s", plain(mail), strings.Join(of[mail][:min(len(of[mail]), mostNamed)], ", ")))
		default:
			more++
		}
	}
	if len(named) == 0 {
		return d.settleFinding(ctx, access.AddressShared, f.ID, "every address is one person's")
	}
	text := fmt.Sprintf("Feed %s has addresses that several active people have: %s. ", f.ID, strings.Join(named, "; "))
	if more > 0 {
		text += fmt.Sprintf("And %d more. ", more)
	}
	return d.renew(ctx, access.Finding{Kind: access.AddressShared, Subject: f.ID, Owner: "security", DueAt: d.now.Add(72 * time.Hour),
		Text: text + "Where sign-ins go by address, none of them signs in by it. Mend the feed, or the files."}, "others share one")
}

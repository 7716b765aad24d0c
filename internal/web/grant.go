package web

import (
	"net/http"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// mostLooks is how many looks one page shows: the newest.
const mostLooks = 50

// grantView is one grant beside reality.
type grantView struct {
	Grant  access.Grant
	Hold   holding
	For    string
	Owner  string
	Looks  []access.Receipt // newest first
	Earned int              // looks there are
	Mine   bool
	Uses   []useView // it was taken without approval
	Tag    string    // what this page shows; another tag is another page
}

// grant is one grant, and every look at what it is a reason for.
func (p *portal) grant(v *visit) error {
	view, err := v.grantOf(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	if v.shown(view.Tag) {
		return nil
	}
	return v.page(http.StatusOK, view.Hold.Part.Entitlement.Name, "", grantPage(view, v.now))
}

func (v *visit) grantOf(id string) (view grantView, err error) {
	h, looks, err := v.Engine.Grant(v.r.Context(), v.by, id)
	if err != nil {
		return view, err
	}
	view = grantView{Grant: h.Grant, Hold: v.holding(h), For: v.name(h.Grant.Identity), Owner: v.name(h.Grant.Owner), Earned: len(looks)}
	slices.Reverse(looks)
	view.Looks = looks[:min(len(looks), mostLooks)]
	view.Mine = slices.Contains(v.dir.Hands(h.Grant.Identity), v.dir.PersonOf(v.by.Identity))
	if h.Grant.Emergency() {
		uses, err := v.uses()
		if err != nil {
			return view, err
		}
		for _, u := range uses {
			if u.Grant == h.Grant.ID {
				view.Uses = append(view.Uses, u)
			}
		}
	}
	view.Tag = tagOf(view)
	return view, nil
}

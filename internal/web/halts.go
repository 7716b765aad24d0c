package web

import (
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// haltView is one reason for which nothing is granted now, as a page says it.
type haltView struct {
	Why   string    // in plain words, for everybody
	Since time.Time // when it began
	Ends  string    // what ends it
	Text  string    // what was seen; for those who operate a system, and for security
	Link  string    // where security settles it; empty: not in the portal
}

// haltWords says each reason in plain words, and what ends it.
var haltWords = map[access.HaltReason]struct{ why, ends string }{
	access.HaltRecovery: {"The database was put back from a backup.", "It ends when every system was read whole and two people of security approve it (lessor recovery approve)."},
	access.HaltClock:    {"Nobody can be sure what time it is.", "It ends when somebody of security accepts the clock (lessor clock accept), or it was set right."},
	access.HaltWitness:  {"Those outside who watch over the log have not answered.", "It ends by itself once they do."},
	access.HaltLog:      {"The log takes in nothing.", "It ends when security has settled what was found."},
	access.HaltDisk:     {"There is too little room for what would be written down.", "It ends by itself once there is more."},
	access.HaltFiles:    {"Two people have not confirmed the files by which is decided.", "It ends when they have (lessor reload --confirm), or when those that were confirmed are put back and the server is started anew."},
}

// halts are the reasons for which nothing is granted now, each once, for whoever is
// there. Where they cannot be read the page is shown without: the verbs refuse anyhow.
func (v *visit) halts() (list []haltView) {
	open, err := v.Engine.Halts(v.r.Context())
	if err != nil {
		v.Log.WarnContext(v.r.Context(), "halts", "error", err.Error())
		return nil
	}
	inside := len(open) > 0 && (v.audits() || v.operates())
	said := map[access.HaltReason]bool{}
	for _, h := range open {
		if said[h.Reason] {
			continue
		}
		said[h.Reason] = true
		view := haltView{Why: haltWords[h.Reason].why, Ends: haltWords[h.Reason].ends, Since: h.At}
		if inside {
			view.Text = h.Text
			if strings.HasPrefix(h.ID, "fi-") {
				view.Link = "/findings/" + h.ID
			}
		}
		list = append(list, view)
	}
	return list
}

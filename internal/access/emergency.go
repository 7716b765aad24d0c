package access

import "time"

// Emergency is one use of break-glass: access that somebody took without approval, for
// a short while, and that somebody else has to look at afterwards.
type Emergency struct {
	ID          string           `json:"id"`
	Grant       string           `json:"grant"`
	Request     string           `json:"request"`
	Identity    string           `json:"identity"`
	Person      string           `json:"person"`
	Entitlement string           `json:"entitlement"`
	Incident    string           `json:"incident,omitempty"`
	Reason      string           `json:"reason"`
	At          time.Time        `json:"at"`
	Told        []string         `json:"told"` // who was told at once; never empty
	ReviewBy    time.Time        `json:"review_by"`
	ReviewedAt  time.Time        `json:"reviewed_at,omitzero"`
	ReviewedBy  string           `json:"reviewed_by,omitempty"`
	Verdict     EmergencyVerdict `json:"verdict,omitempty"`
	Text        string           `json:"text,omitempty"` // of the review
}

// EmergencyVerdict is what a review came to.
type EmergencyVerdict string

// What a review can come to.
const (
	Justified   EmergencyVerdict = "justified"
	Unjustified EmergencyVerdict = "unjustified" // the access ends, if it has not
)

// BreakGlassReview is the finding that a use of break-glass has not been looked at; it is
// about the grant.
const BreakGlassReview = "break_glass_review"

// QuestionBreakGlass is the question by which an emergency's grant was decided.
const QuestionBreakGlass = "break-glass"

// Emergency tells whether a grant was taken without approval.
func (g Grant) Emergency() bool { return g.Hold.Question == QuestionBreakGlass }

package report

// Definition says what a figure is, word for word as docs/metrics.md does.
type Definition struct{ Key, Name, Text string }

// Definitions are those of every figure.
var Definitions = []Definition{
	{"lag", "Revocation lag", "From the moment no grant was a reason for access any more to the first look at the target that saw it gone. " +
		"What expires counts from its own end, however late anybody took note (due); what is given back, revoked or ended because something happened counts from that deed (by event). " +
		"What was not seen gone counts at its age now, whenever it ended, so that no percentile gets better by not looking. What was granted anew before it was seen gone counts up to then. " +
		"Late is more than 30 seconds."},
	{"standing", "Standing privilege", "Of all hours for which something was granted within the window, the share granted by chains of grants that reach further than 30 days. " +
		"What accounts hold that nobody granted has no end at all; it is counted beside it as last read."},
	{"use", "Unused grants", "Grants that ended without having been used, of those at systems that tell when access was last used. Where a system does not tell, it is not known, which is not the same as unused."},
	{"approvers", "Approver accountability", "For each approver: answers, how long they had the request open before they answered (half took no longer, one in ten took no longer), how many took under 5 seconds, " +
		"how many were given within 10 seconds of another answer, how many approvals were for less than was asked, and how many of the grants were revoked or ended by a review later. " +
		"How long somebody looked is known for answers given in the portal, by whoever opened the request itself; for others it is not known. Pairs are two people who approved for one another."},
	{"speed", "Speed and scope", "Two figures, never one. Speed: from asking, or from the start if that is later, to the first look that saw the access; what is not seen yet counts at its age now. " +
		"Scope: how many entitlements what was granted leads to, itself counted, as was found when it was decided; and how long it was granted for."},
	{"drift", "Drift", "What was found not to be as it should be: opened within the window, still open, how old the oldest is, and how long it stood (half no longer), with what is open counted at its age now."},
	{"glass", "Break-glass", "Access taken without approval within the window: how many of its reviews came by their date, how many after it, and how many found that it was not justified. " +
		"What waits for its review is counted whenever it was taken, with how much of it is past its date."},
	{"evidence", "Evidence completeness", "For each grant made within the window the records its state calls for, and whether each is in the log under its signed head. " +
		"A record that is written and not signed yet is waiting; a removal that was not seen yet is open, and stands under revocation lag. Whether each record is as it was written is checked by verifying."},
}

// Defined is the definition of a figure.
func Defined(key string) Definition {
	for _, d := range Definitions {
		if d.Key == key {
			return d
		}
	}
	return Definition{}
}

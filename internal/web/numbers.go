package web

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/report"
)

// windows are those the figures can be counted over, in days.
var windows = []int{7, 30, 90}

// numbersView is the page of figures.
type numbersView struct {
	report.Numbers

	Days int
	All  report.LagRow // of every end; zero: there was none
}

// numbers are the figures, for security and auditors.
func (p *portal) numbers(v *visit) error {
	if err := p.Engine.MayOversee(v.by); err != nil {
		return unknown(err)
	}
	days := 30
	if d, err := strconv.Atoi(v.r.FormValue("days")); err == nil && slices.Contains(windows, d) {
		days = d
	}
	n, err := p.Proof.Numbers(v.r.Context(), v.now.Add(-time.Duration(days)*24*time.Hour), v.now)
	if err != nil {
		return err
	}
	view := numbersView{Numbers: n, Days: days}
	if rows := n.Lag.Rows; len(rows) > 0 {
		view.All = rows[len(rows)-1]
	}
	for i := range view.Approvers {
		view.Approvers[i].Person = v.name(view.Approvers[i].Person)
	}
	for i := range view.Pairs {
		view.Pairs[i].A, view.Pairs[i].B = v.name(view.Pairs[i].A), v.name(view.Pairs[i].B)
	}
	for i := range view.Lag.Open {
		o := &view.Lag.Open[i]
		o.Entitlement, o.System, o.Identity = v.entitlement(o.Entitlement).Name, v.system(o.System), v.name(o.Identity)
	}
	for i := range view.Lag.Systems {
		view.Lag.Systems[i].Name = v.system(view.Lag.Systems[i].Name)
	}
	return v.page(http.StatusOK, "Numbers", "/numbers", numbersPage(view, v.now))
}

// kindOfEnd says in words why access ended.
func kindOfEnd(name string) string {
	switch name {
	case "due":
		return "Due: its own end"
	case "all":
		return "All"
	case string(access.EndExpired):
		return "Its own end"
	case string(access.EndReturned):
		return "Given back"
	case string(access.EndEligibilityLost):
		return "No longer eligible"
	case string(access.EndLeaver):
		return "The holder left"
	case string(access.EndTicketClosed):
		return "Its ticket was closed"
	}
	return capital(name)
}

// quick is span for what may take less than a second.
func quick(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 s"
	case d < time.Second:
		return fmt.Sprintf("%d ms", max(1, d.Milliseconds()))
	}
	return span(d)
}

// part100 is a share in percent, and a dash of nothing.
func part100(part, all int) string {
	if all == 0 {
		return "–"
	}
	return fmt.Sprintf("%d %%", (100*part+all/2)/all)
}

func (v numbersView) privileged() report.Standing {
	for _, s := range v.Standing {
		if s.Class == "privileged" {
			return s
		}
	}
	return report.Standing{}
}

// hoursOf writes grant-hours.
func hoursOf(d time.Duration) string {
	switch h := d.Hours(); {
	case h < 1:
		return span(d)
	case h < 10:
		return fmt.Sprintf("%.1f h", h)
	}
	return fmt.Sprintf("%.0f h", d.Hours())
}

// records sums up the evidence: called for, and in the log.
func (v numbersView) records() (due, missing, waiting int) {
	for _, s := range v.Evidence {
		due, missing, waiting = due+s.Due, missing+s.Missing, waiting+s.Waiting
	}
	return due, missing, waiting
}

// strays counts what accounts hold that nobody granted.
func (v numbersView) strays() (n int) {
	for _, s := range v.Standing {
		n += s.Strays
	}
	return n
}

// opened sums up the findings.
func (v numbersView) opened() (opened, open int) {
	for _, d := range v.Drift {
		opened, open = opened+d.Opened, open+d.Open
	}
	return opened, open
}

// hasty names the approver whose answers were quickest, where half were hasty.
func (v numbersView) hasty() (a report.Approver, ok bool) {
	for _, one := range v.Approvers {
		if one.Known > 1 && 2*one.Hasty >= one.Known && (!ok || one.Dwell < a.Dwell) {
			a, ok = one, true
		}
	}
	return a, ok
}

// dwellKnown tells whether it is known of any answer how long somebody looked.
func (v numbersView) dwellKnown() bool {
	return slices.ContainsFunc(v.Approvers, func(a report.Approver) bool { return a.Known > 0 })
}

// Shares of a drawing, in its own units.
const (
	lagWide, lagHigh   = 760, 216
	dotsWide, dotsHigh = 560, 260
)

// bar is one column of the drawing of lags.
type bar struct {
	X, W             float64
	Due, Event, Open float64 // heights
	Label            string  // below its right edge
	Minor            bool    // … left out where there is little room
}

// lagBars are the columns: as many as there are bounds, as high as the most asks for.
func lagBars(list []report.Bucket) (bars []bar) {
	most := 1
	for _, b := range list {
		most = max(most, b.Due+b.Event+b.Open)
	}
	w := float64(lagWide-16) / float64(len(list))
	for i, b := range list {
		high := func(n int) float64 {
			if n == 0 {
				return 0
			}
			return max(2, float64(n)/float64(most)*(lagHigh-50))
		}
		one := bar{X: 8 + float64(i)*w, W: w - 3, Due: high(b.Due), Event: high(b.Event), Open: high(b.Open)}
		if b.Below > 0 && (i%2 == 0 || b.Below >= time.Hour) {
			one.Label, one.Minor = span(b.Below), b.Below == 30*time.Minute || b.Below == 6*time.Hour
		}
		bars = append(bars, one)
	}
	return bars
}

// rank is which column a lag falls into, as a place in the drawing.
func rank(list []report.Bucket, d time.Duration) float64 {
	i := slices.IndexFunc(list, func(b report.Bucket) bool { return b.Below == 0 || d < b.Below })
	w := float64(lagWide-16) / float64(len(list))
	return 8 + (float64(i)+0.5)*w
}

// dotLine is a class's dots as one line of the drawing.
type dotLine struct{ Class, Kind, Path string }

// dotMarks draws every grant on the two axes: across, how long it took, from a
// second to ten days; up, how far it reaches.
func dotMarks(dots []report.Dot) (list []dotLine) {
	of := map[string]*dotLine{}
	widest := 1
	for _, d := range dots {
		widest = max(widest, d.Scope)
	}
	for _, d := range dots[:min(len(dots), mostDots)] {
		m := of[d.Class]
		if m == nil {
			m = &dotLine{Class: d.Class, Kind: "d-s"}
			if d.Class == "privileged" {
				m.Kind = "d-p"
			} else if d.Class != "standard" {
				m.Kind = "d-t"
			}
			of[d.Class] = m
		}
		x, y := 46+logShare(d.Took.Seconds(), 10*24*3600)*(dotsWide-60), dotsHigh-8-logShare(float64(d.Scope), float64(max(10, widest)))*(dotsHigh-30)
		if m.Kind == "d-t" {
			m.Path += fmt.Sprintf("M%.0f %.0fl4 8h-8z", x, y-4)
		} else {
			m.Path += fmt.Sprintf("M%.0f %.0fh0", x, y)
		}
	}
	for _, m := range of {
		list = append(list, *m)
	}
	slices.SortFunc(list, func(a, b dotLine) int { return cmp.Compare(a.Class, b.Class) })
	return list
}

// logShare is where a number from one to most lies on a scale of powers.
func logShare(n, most float64) float64 {
	return min(1, max(0, math.Log(max(1, n))/math.Log(most)))
}

// mostDots is how many grants are drawn: the newest.
const mostDots = 300

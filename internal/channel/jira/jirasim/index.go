package jirasim

import (
	"strings"
	"time"
)

// indexed is what search knows of an issue from a moment on. Search is behind
// the issues by the site's lag: it answers from what it knew then.
type indexed struct {
	at    time.Time
	gone  bool
	words map[string][]string // by clause name: ids and names, in lower case
	text  map[string]string
	times map[string]time.Time
	key   string
	id    int
}

// reindex puts what the issue is now into the index.
func (s *Sim) reindex(i *issue, now time.Time) {
	d := indexed{at: now, gone: i.deleted, id: i.id, key: i.key}
	if !i.deleted {
		s.describe(i, &d)
	}
	// What search can no longer answer from is dropped, but for the last of it.
	keep := 0
	for n, old := range i.index {
		if !old.at.Add(s.lag).After(now) {
			keep = n
		}
	}
	i.index = append(i.index[keep:len(i.index):len(i.index)], d)
}

func (s *Sim) describe(i *issue, d *indexed) {
	low := func(words ...string) (out []string) {
		for _, w := range words {
			if w != "" {
				out = append(out, strings.ToLower(w))
			}
		}
		return out
	}
	d.words = map[string][]string{
		"project":        low(i.project.Key, i.project.ID, i.project.Name),
		"issuetype":      low(i.kind, find(s.types, i.kind).name),
		"status":         low(i.status.ID, i.status.Name),
		"statuscategory": low(categoryWords(i.status.Category)...),
		"creator":        s.userWords(i.creator),
	}
	d.times = map[string]time.Time{"created": i.created, "updated": i.updated, "resolutiondate": i.resolved}
	d.text = map[string]string{}
	if rt := i.project.typeOf(i); rt != nil {
		d.words["request type"] = low(rt.Name, rt.ID)
	}
	c := &call{s: s}
	for _, f := range s.fields {
		v := i.values[f.ID]
		if v == nil {
			continue
		}
		switch x := v.(type) {
		case rich:
			d.text[f.ID] = strings.ToLower(x.wiki)
		case []string:
			for _, id := range x {
				d.words[f.ID] = append(d.words[f.ID], low(id, c.word(f, i.project, id))...)
			}
		case string:
			switch f.Kind {
			case Text:
				d.text[f.ID] = strings.ToLower(x)
			case UserPick:
				d.words[f.ID] = s.userWords(x)
			case Date, DateTime:
				at, err := time.Parse("2006-01-02", x)
				if err != nil {
					at, _ = time.Parse(stamp, x)
				}
				d.times[f.ID] = at
			default:
				d.words[f.ID] = low(x, c.word(f, i.project, x))
			}
		}
	}
	for _, cm := range i.comments {
		d.text["comment"] += strings.ToLower(cm.body.wiki) + "\n"
	}
}

// userWords are by what JQL finds a user: never by a display name alone.
func (s *Sim) userWords(id string) []string {
	u := s.user(id)
	if u == nil {
		return []string{strings.ToLower(id)}
	}
	return []string{strings.ToLower(u.AccountID), strings.ToLower(u.Login)}
}

func categoryWords(c Category) []string {
	switch c {
	case InProgress:
		return []string{"in progress", "indeterminate", "4"}
	case Done:
		return []string{"done", "3"}
	}
	return []string{"to do", "new", "2"}
}

// known is what search knows of the issue at a moment: nothing, for one too young.
func (i *issue) known(now time.Time, lag time.Duration) *indexed {
	for n := len(i.index) - 1; n >= 0; n-- {
		if !i.index[n].at.Add(lag).After(now) {
			return &i.index[n]
		}
	}
	return nil
}

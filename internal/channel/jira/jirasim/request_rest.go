package jirasim

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

func (c *call) createRequest() (reply, error) {
	var in raising
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	i, err := c.raise(in, "api")
	if err != nil {
		return reply{}, err
	}
	return created(c.requestBean(i))
}

func (c *call) getRequest() (reply, error) {
	i, err := c.request()
	if err != nil {
		return reply{}, err
	}
	return ok(c.requestBean(i))
}

// getRequests are the caller's own requests, the latest activity first.
func (c *call) getRequests() (reply, error) {
	if id := c.query("serviceDeskId"); id != "" {
		if p := c.s.deskByID(id); p == nil || !c.s.raises(c.who, p) {
			return reply{}, refuse(404, "The service desk does not exist or you do not have permission to see it.")
		}
	}
	hits := []*issue{}
	for _, i := range c.s.issues {
		if c.s.opens(c.who, i) && c.ownRequest(i) {
			hits = append(hits, i)
		}
	}
	slices.SortFunc(hits, func(a, b *issue) int {
		if n := b.updated.Compare(a.updated); n != 0 {
			return n
		}
		return b.id - a.id
	})
	out := list{}
	for _, i := range hits {
		out = append(out, c.requestBean(i))
	}
	return c.deskPage(out)
}

func (c *call) ownRequest(i *issue) bool {
	me := c.who.AccountID
	own := i.values["reporter"] == me
	part := slices.Contains(i.people(c.s, participantsKind), me)
	asked, voted := false, false
	for _, ap := range i.approvals {
		asked = asked || i.canAnswer(ap, c.who)
		voted = voted || slices.ContainsFunc(ap.votes, func(v vote) bool { return v.who == me })
	}
	hit := own || part
	if kinds := c.queries("requestOwnership"); len(kinds) > 0 {
		hit = slices.Contains(kinds, "OWNED_REQUESTS") && own || slices.Contains(kinds, "PARTICIPATED_REQUESTS") && part ||
			slices.Contains(kinds, "APPROVER") && voted || slices.Contains(kinds, "ALL_ORGANIZATIONS") || slices.Contains(kinds, "ALL_REQUESTS")
	}
	switch c.query("approvalStatus") {
	case "MY_PENDING_APPROVAL":
		hit = asked
	case "MY_HISTORY_APPROVAL":
		hit = voted
	}
	switch c.query("requestStatus") {
	case "OPEN_REQUESTS":
		hit = hit && i.status.Category != Done
	case "CLOSED_REQUESTS":
		hit = hit && i.status.Category == Done
	}
	summary, _ := i.values["summary"].(string)
	return hit && (c.query("serviceDeskId") == "" || c.query("serviceDeskId") == i.project.desk.ID) &&
		(c.query("requestTypeId") == "" || c.query("requestTypeId") == i.requestType) &&
		strings.Contains(strings.ToLower(summary), strings.ToLower(strings.Trim(c.query("searchTerm"), "*")))
}

// --- comments

func (c *call) requestComment(i *issue, cm *comment) obj {
	path := c.s.url + desk + "/request/" + itoa(i.id) + "/comment/" + itoa(cm.id)
	out := obj{"_expands": list{"attachment", "renderedBody"}, "id": itoa(cm.id), "body": cm.body.wiki, "public": cm.public, "author": c.deskUser(cm.author),
		"created": c.date(cm.created), "_links": obj{"self": path}}
	if c.expands("renderedBody") || c.expands("comment.renderedBody") {
		out["renderedBody"] = obj{"html": htmlOf(cm.body)}
	}
	if c.expands("attachment") || c.expands("comment.attachment") {
		files := list{}
		for _, a := range cm.attachments {
			files = append(files, c.requestAttachment(i, a))
		}
		out["attachments"] = c.paged(files, desk+"/request/"+itoa(i.id)+"/comment/"+itoa(cm.id)+"/attachment")
	}
	return out
}

// opensComment says whether the caller sees the comment on the request: customers see
// the public ones only.
func (c *call) opensComment(i *issue, cm *comment) bool {
	return cm.public && cm.limit == nil || c.s.agent(c.who, i.project) && c.readable(i, cm)
}

func (c *call) requestComments(i *issue) list {
	out := list{}
	for _, cm := range i.comments {
		left := c.query(map[bool]string{true: "public", false: "internal"}[cm.public]) == "false"
		if c.opensComment(i, cm) && !left {
			out = append(out, c.requestComment(i, cm))
		}
	}
	return out
}

func (c *call) getRequestComments() (reply, error) {
	i, err := c.request()
	if err != nil {
		return reply{}, err
	}
	return c.deskPage(c.requestComments(i))
}

func (c *call) createRequestComment() (reply, error) {
	i, err := c.request()
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Body   string
		Public *bool
	}
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	switch {
	case in.Public == nil:
		return reply{}, refuse(400, "The field 'public' is required.")
	case strings.TrimSpace(in.Body) == "":
		return reply{}, refuse(400, "Comment body can not be empty!")
	case len(in.Body) > maxText:
		return reply{}, refuse(400, "The entered text is too long. It exceeds the allowed limit of 32,767 characters.")
	case !*in.Public && !c.s.agent(c.who, i.project):
		return reply{}, refuse(403, "You do not have permission to add internal comments.")
	}
	return created(c.requestComment(i, c.comment(i, rich{docOf(in.Body), in.Body}, *in.Public, nil)))
}

func (c *call) oneRequestComment() (*issue, *comment, error) {
	i, err := c.request()
	if err != nil {
		return nil, nil, err
	}
	for _, cm := range i.comments {
		if itoa(cm.id) == c.arg("comment") && c.opensComment(i, cm) {
			return i, cm, nil
		}
	}
	return nil, nil, refuse(404, "The comment does not exist.")
}

func (c *call) getRequestComment() (reply, error) {
	i, cm, err := c.oneRequestComment()
	if err != nil {
		return reply{}, err
	}
	return ok(c.requestComment(i, cm))
}

// --- attachments

func (c *call) requestAttachment(i *issue, a *attachment) obj {
	self := c.s.url + desk + "/request/" + itoa(i.id) + "/attachment/" + itoa(a.id)
	return obj{"filename": a.name, "author": c.deskUser(a.by), "created": c.date(a.created), "size": a.size, "mimeType": a.kind,
		"_links": obj{"self": self, "content": self, "jiraRest": c.s.url + "/rest/api/2/attachment/" + itoa(a.id)}}
}

func (c *call) requestAttachments(i *issue) list {
	out := list{}
	for _, a := range i.attachments {
		if a.public || c.s.agent(c.who, i.project) {
			out = append(out, c.requestAttachment(i, a))
		}
	}
	return out
}

func (c *call) getRequestAttachments() (reply, error) {
	i, err := c.request()
	if err != nil {
		return reply{}, err
	}
	return c.deskPage(c.requestAttachments(i))
}

func (c *call) commentAttachments() (reply, error) {
	i, cm, err := c.oneRequestComment()
	if err != nil {
		return reply{}, err
	}
	out := list{}
	for _, a := range cm.attachments {
		out = append(out, c.requestAttachment(i, a))
	}
	return c.deskPage(out)
}

// attachTemporary keeps files until a request takes them.
func (c *call) attachTemporary() (reply, error) {
	if _, err := c.deskProject(); err != nil {
		return reply{}, err
	}
	files, err := c.uploaded()
	if err != nil {
		return reply{}, err
	}
	out := list{}
	for _, a := range files {
		id := "temp" + itoa(c.s.next("temporary", 1000001))
		c.s.uploads[id] = a
		out = append(out, obj{"temporaryAttachmentId": id, "fileName": a.name})
	}
	return created(obj{"temporaryAttachments": out})
}

func (c *call) attachToRequest() (reply, error) {
	i, err := c.request()
	if err != nil {
		return reply{}, err
	}
	var in struct {
		TemporaryAttachmentIDs []string
		Public                 bool
		AdditionalComment      struct{ Body string }
	}
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	files := []*attachment{}
	for _, id := range in.TemporaryAttachmentIDs {
		a := c.s.uploads[id]
		if a == nil {
			return reply{}, refuse(400, "The temporary attachment "+id+" does not exist.")
		}
		files = append(files, a)
	}
	if len(files) == 0 || !in.Public && !c.s.agent(c.who, i.project) {
		return reply{}, refuse(400, "At least one temporary attachment is required, and customers attach publicly.")
	}
	for _, id := range in.TemporaryAttachmentIDs {
		c.s.uploads[id].public = in.Public
		delete(c.s.uploads, id)
	}
	c.attach(i, files)
	words, out := in.AdditionalComment.Body, list{}
	for _, a := range files {
		words += " [^" + a.name + "]"
		out = append(out, c.requestAttachment(i, a))
	}
	words = strings.TrimSpace(words)
	cm := c.comment(i, rich{docOf(words), words}, in.Public, nil)
	cm.attachments = files
	return created(obj{"comment": c.requestComment(i, cm), "attachments": c.paged(out, desk+"/request/"+itoa(i.id)+"/attachment")})
}

func (c *call) attachmentContent() (reply, error) {
	i, err := c.request()
	if err != nil {
		return reply{}, err
	}
	for _, a := range i.attachments {
		if itoa(a.id) == c.arg("attachment") {
			// The content is elsewhere, as with Jira; here it is not kept at all.
			to := c.s.url + "/secure/attachment/" + itoa(a.id) + "/" + url.PathEscape(a.name)
			return reply{status: 303, header: http.Header{"Location": {to}}}, nil
		}
	}
	return reply{}, refuse(404, "The attachment does not exist.")
}

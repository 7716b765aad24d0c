package jirasim

import (
	"encoding/json"
	"html"
	"slices"
	"strings"
	"time"
)

// comment on an issue. On a request a platform comment is public: the customer
// sees it. Only the service desk's own call makes an internal one.
type comment struct {
	id               int
	author, editor   string
	body             rich
	created, updated time.Time
	public           bool
	limit            *limit
	props            properties
	attachments      []*attachment
}

// limit shows a comment to one role or group only.
type limit struct{ typ, value, id string }

const maxText = 32767

func (c *call) comment(i *issue, body rich, public bool, lim *limit) *comment {
	cm := &comment{id: c.s.next("comment", 10000), author: c.who.AccountID, editor: c.who.AccountID, body: body,
		created: c.now, updated: c.now, public: public, limit: lim, props: properties{}}
	i.comments = append(i.comments, cm)
	c.touch(i)
	c.tell(event{name: "comment_created", typ: "issue_commented", issue: i, comment: cm})
	return cm
}

// readable says whether the caller may see the comment on the platform.
func (c *call) readable(i *issue, cm *comment) bool {
	switch {
	case !cm.public && c.who.Kind == Customer:
		return false
	case cm.limit == nil:
		return true
	case cm.limit.typ == "group":
		return slices.Contains(c.who.Groups, cm.limit.value)
	}
	return inRole(c.who, i.project, find(c.s.roles, cm.limit.value))
}

func (c *call) commentBean(i *issue, cm *comment) obj {
	out := obj{"self": c.rest("/issue/" + itoa(i.id) + "/comment/" + itoa(cm.id)), "id": itoa(cm.id), "author": c.userRef(cm.author),
		"updateAuthor": c.userRef(cm.editor), "created": when(cm.created), "updated": when(cm.updated), "jsdPublic": cm.public}
	if out["body"] = cm.body.doc; c.v == 2 {
		out["body"] = cm.body.wiki
	}
	if cm.limit != nil {
		out["visibility"] = obj{"type": cm.limit.typ, "value": cm.limit.value, "identifier": cm.limit.id}
	}
	if c.expands("renderedBody") {
		out["renderedBody"] = htmlOf(cm.body)
	}
	if c.expands("properties") {
		out["properties"] = cm.props.all()
	}
	return out
}

func htmlOf(body rich) string {
	return "<p>" + strings.ReplaceAll(html.EscapeString(body.wiki), "\n", "<br/>\n") + "</p>"
}

// said reads a comment's body and visibility, checked.
func (c *call) said(i *issue, may bool) (rich, *limit, []property, error) {
	var in struct {
		Body       any
		Visibility *struct{ Type, Value, Identifier string }
		Properties []property
	}
	if err := c.read(&in); err != nil {
		return rich{}, nil, nil, err
	}
	bad := &Refusal{Status: 400}
	if !may {
		bad.Messages = []string{"You do not have the permission to comment on this issue."}
	}
	v, problem := c.parseRich(in.Body)
	body, _ := v.(rich)
	switch {
	case in.Body == nil || problem == "" && body.empty():
		bad.Fields = map[string]string{"comment": "Comment body can not be empty!"}
	case problem != "":
		bad.Fields = map[string]string{"comment": "Comment body is not valid!"}
	case len(body.wiki) > maxText:
		bad.Fields = map[string]string{"comment": "The entered text is too long. It exceeds the allowed limit of 32,767 characters."}
	}
	var lim *limit
	if v := in.Visibility; v != nil {
		ref := first(v.Identifier, v.Value)
		r := find(c.s.roles, ref)
		switch {
		case v.Type == "role" && r != nil && inRole(c.who, i.project, r):
			lim = &limit{"role", r.name, r.name}
		case v.Type == "group" && slices.ContainsFunc(c.who.Groups, func(g string) bool { return g == ref || c.s.group(g).id == ref }):
			n := slices.IndexFunc(c.s.groups, func(g *group) bool { return g.name == ref || g.id == ref })
			lim = &limit{"group", c.s.groups[n].name, c.s.groups[n].id}
		default:
			bad.Fields = map[string]string{"commentLevel": "You are currently not a member of the " + v.Type + ": " + ref + "."}
		}
	}
	if len(bad.Fields)+len(bad.Messages) > 0 {
		return rich{}, nil, nil, bad
	}
	for _, p := range in.Properties {
		if err := checkProperty(p.Key, p.Value); err != nil {
			return rich{}, nil, nil, err
		}
	}
	return body, lim, in.Properties, nil
}

type property struct {
	Key   string
	Value json.RawMessage
}

func (r rich) empty() bool { return strings.TrimSpace(r.wiki) == "" }

// --- operations

func (c *call) getComments() (reply, error) {
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return reply{}, err
	}
	out := c.comments(i)
	switch order := c.query("orderBy"); order {
	case "", "created", "+created":
	case "-created":
		slices.Reverse(out)
	default:
		return reply{}, refuse(400, "Unable to sort by '"+order+"'.")
	}
	start, most := c.number("startAt", 0), c.number("maxResults", 5000)
	return ok(obj{"startAt": start, "maxResults": most, "total": len(out), "comments": slice(out, start, most)})
}

func (c *call) comments(i *issue) list {
	out := list{}
	for _, cm := range i.comments {
		if c.readable(i, cm) {
			out = append(out, c.commentBean(i, cm))
		}
	}
	return out
}

func (c *call) addComment() (reply, error) {
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return reply{}, err
	}
	body, lim, props, err := c.said(i, c.can("ADD_COMMENTS", i.project, i))
	if err != nil {
		return reply{}, err
	}
	cm := c.comment(i, body, true, lim)
	for _, p := range props {
		cm.props.set(p.Key, p.Value)
	}
	return created(c.commentBean(i, cm))
}

func (c *call) oneComment() (*issue, *comment, error) {
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return nil, nil, err
	}
	for _, cm := range i.comments {
		if itoa(cm.id) == c.arg("id") && c.readable(i, cm) {
			return i, cm, nil
		}
	}
	return nil, nil, refuse(404, "Can not find a comment for the id: "+c.arg("id")+".")
}

func (c *call) getComment() (reply, error) {
	i, cm, err := c.oneComment()
	if err != nil {
		return reply{}, err
	}
	return ok(c.commentBean(i, cm))
}

func (c *call) editComment() (reply, error) {
	i, cm, err := c.oneComment()
	if err != nil {
		return reply{}, err
	}
	if !c.ownOrAll(i, cm.author, "EDIT_ALL_COMMENTS", "EDIT_OWN_COMMENTS") {
		return reply{}, refuse(400, "You do not have the permission to edit this comment.")
	}
	body, lim, props, err := c.said(i, true)
	if err != nil {
		return reply{}, err
	}
	cm.body, cm.limit, cm.editor, cm.updated = body, lim, c.who.AccountID, c.now
	for _, p := range props {
		cm.props.set(p.Key, p.Value)
	}
	c.touch(i)
	c.tell(event{name: "comment_updated", typ: "issue_comment_edited", issue: i, comment: cm})
	return ok(c.commentBean(i, cm))
}

func (c *call) ownOrAll(i *issue, author, all, own string) bool {
	return c.can(all, i.project, i) || author == c.who.AccountID && c.can(own, i.project, i)
}

func (c *call) deleteComment() (reply, error) {
	i, cm, err := c.oneComment()
	if err != nil {
		return reply{}, err
	}
	if !c.ownOrAll(i, cm.author, "DELETE_ALL_COMMENTS", "DELETE_OWN_COMMENTS") {
		return reply{}, refuse(400, "You do not have permission to delete comment with id: "+itoa(cm.id))
	}
	i.comments = slices.DeleteFunc(i.comments, func(o *comment) bool { return o == cm })
	c.touch(i)
	c.tell(event{name: "comment_deleted", typ: "issue_comment_deleted", issue: i, comment: cm})
	return none()
}

package jirasim

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"time"
)

// attachment is a file's name and size; its content is counted and dropped.
type attachment struct {
	id      int
	name    string
	kind    string
	size    int
	by      string
	created time.Time
	public  bool
}

func (c *call) attachmentBean(a *attachment) obj {
	return obj{"self": c.rest("/attachment/" + itoa(a.id)), "id": itoa(a.id), "filename": a.name, "author": c.userRef(a.by),
		"created": when(a.created), "size": a.size, "mimeType": a.kind, "content": c.rest("/attachment/content/" + itoa(a.id))}
}

// uploaded reads the files of a multipart body.
func (c *call) uploaded() ([]*attachment, error) {
	if c.r.Header.Get("X-Atlassian-Token") != "no-check" {
		return nil, refuse(403, "XSRF check failed")
	}
	_, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return nil, refuse(415, "The body must be multipart/form-data.")
	}
	out := []*attachment(nil)
	for form := multipart.NewReader(bytes.NewReader(c.body), params["boundary"]); ; {
		part, err := form.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, refuse(400, "The multipart body cannot be read.")
		}
		if part.FormName() != "file" || part.FileName() == "" {
			continue
		}
		size, _ := io.Copy(io.Discard, part)
		out = append(out, &attachment{name: part.FileName(), kind: first(part.Header.Get("Content-Type"), "application/octet-stream"), size: int(size), by: c.who.AccountID, created: c.now, public: true})
	}
	if len(out) == 0 {
		return nil, refuse(400, "There is no file in the body.")
	}
	return out, nil
}

// attach puts files on the issue and into its changelog.
func (c *call) attach(i *issue, files []*attachment) {
	items := []changeItem{}
	for _, a := range files {
		a.id = c.s.next("attachment", 10000)
		i.attachments = append(i.attachments, a)
		items = append(items, changeItem{field: "Attachment", typ: "jira", fieldID: "attachment", to: itoa(a.id), toString: a.name})
	}
	c.record(i, items, "issue_updated")
}

func (c *call) addAttachment() (reply, error) {
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return reply{}, err
	}
	if !c.can("CREATE_ATTACHMENTS", i.project, i) {
		return reply{}, refuse(403, "You do not have permission to create attachments for this issue.")
	}
	files, err := c.uploaded()
	if err != nil {
		return reply{}, err
	}
	c.attach(i, files)
	out := list{}
	for _, a := range files {
		out = append(out, c.attachmentBean(a))
	}
	return ok(out)
}

func (c *call) oneAttachment() (*issue, *attachment, error) {
	for _, i := range c.s.issues {
		for _, a := range i.attachments {
			if itoa(a.id) == c.arg("id") && c.s.sees(c.who, i) {
				return i, a, nil
			}
		}
	}
	return nil, nil, refuse(404, "The attachment with id '"+c.arg("id")+"' does not exist")
}

func (c *call) getAttachment() (reply, error) {
	_, a, err := c.oneAttachment()
	if err != nil {
		return reply{}, err
	}
	out := c.attachmentBean(a)
	out["id"] = a.id // a number here, a string everywhere else
	return ok(out)
}

func (c *call) removeAttachment() (reply, error) {
	i, a, err := c.oneAttachment()
	if err != nil {
		return reply{}, err
	}
	if !c.ownOrAll(i, a.by, "DELETE_ALL_ATTACHMENTS", "DELETE_OWN_ATTACHMENTS") {
		return reply{}, refuse(403, "You do not have permission to delete this attachment.")
	}
	i.attachments = slices.DeleteFunc(i.attachments, func(o *attachment) bool { return o == a })
	c.record(i, []changeItem{{field: "Attachment", typ: "jira", fieldID: "attachment", from: itoa(a.id), fromString: a.name}}, "issue_updated")
	return none()
}

package ldap

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
)

// guidAttr is the name Active Directory gives an entry for life. Unlike every
// other it survives a new name and a new place, and is never given again.
const guidAttr = "objectGUID"

// GUIDPrefix before a Ref's Account or Object means: by objectGUID, as
// "objectGUID:5a44bdfd-76c2-4fd8-b430-84ef7d68b883"; in Active Directory only.
const GUIDPrefix = guidAttr + ":"

// guidName is how a Ref names by objectGUID; the server gives 16 bytes, of which
// the first three numbers stand back to front.
func guidName(b []byte) (string, bool) {
	if len(b) != 16 {
		return "", false
	}
	s := hex.EncodeToString([]byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]})
	return GUIDPrefix + strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-"), true
}

// guidBase is the DN that stands for the entry of that GUID. One GUID has one
// name: lower case, no braces.
func guidBase(name string) (string, error) {
	g := strings.TrimPrefix(name, GUIDPrefix)
	digits := strings.ReplaceAll(g, "-", "")
	_, err := hex.DecodeString(digits)
	if err != nil || len(g) != 36 || len(digits) != 32 || g[8] != '-' || g[13] != '-' || g[18] != '-' || g[23] != '-' || g != strings.ToLower(g) {
		return "", fmt.Errorf("%w: %.80q is no objectGUID; write it as %s5a44bdfd-76c2-4fd8-b430-84ef7d68b883, in lower case", connector.ErrRefused, name, GUIDPrefix)
	}
	return "<GUID=" + g + ">", nil
}

// ghostByGUID gives the member value of an account that cannot be found, if the
// group lists it all the same: it is hidden from us, or of another domain.
func (c *Connector) ghostByGUID(ctx context.Context, group, account string) ([]string, error) {
	base, err := guidBase(account)
	if err != nil {
		return nil, err
	}
	there, err := c.lists(ctx, group, base)
	if err != nil || !there {
		return nil, err
	}
	return []string{base}, nil
}

// tombstone says, where we may see it, that an account that cannot be found was
// deleted. Its groups forgot it then; if it is brought back from a recycle bin,
// they remember it, and the next reading finds that.
func (c *Connector) tombstone(ctx context.Context, account string) string {
	if !c.dialect.windows || !strings.HasPrefix(account, GUIDPrefix) {
		return ""
	}
	base, err := guidBase(account)
	if err != nil {
		return ""
	}
	req := searchRequest(base, goldap.ScopeBaseObject, "(isDeleted=TRUE)", noAttributes)
	req.Controls = []goldap.Control{goldap.NewControlString(goldap.ControlTypeMicrosoftShowDeleted, true, "")}
	res, err := search(ctx, c.ask, req)
	if err != nil || len(res.Entries) != 1 {
		return "" // it never was, or the deleted are hidden from us, as they are from most
	}
	return "deleted: " + res.Entries[0].DN
}

// surelyEmpty reads a group that showed no members again. One whose members we may
// not read looks like one that nobody is in, but then there are accounts that say
// they are in it.
func (c *Connector) surelyEmpty(ctx context.Context, ask asker, group string) ([]string, error) {
	req := c.subtree(c.top, eq("memberOf", group), noAttributes)
	req.SizeLimit = 1
	for range 3 { // others may write between the two readings
		res, err := search(ctx, ask, req)
		limit := goldap.IsErrorWithCode(err, goldap.LDAPResultSizeLimitExceeded)
		switch {
		case err != nil && !limit:
			return nil, err
		case !limit && len(res.Entries) == 0:
			return nil, nil
		}
		if members, err := c.members(ctx, ask, group); err != nil || len(members) > 0 {
			return members, err
		}
	}
	return nil, fmt.Errorf("%w: %s shows no %s, yet others say they are in it: %s may not read it", connector.ErrRefused, group, c.memberAttr, c.bindDN)
}

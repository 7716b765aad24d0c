package ldap

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/access"
)

// values are those of an attribute, in order, as people write them.
func values(e *goldap.Entry, attribute string) []string {
	var list []string
	for _, v := range e.GetEqualFoldRawAttributeValues(attribute) {
		if strings.EqualFold(attribute, "objectGUID") {
			list = append(list, guid(v))
		} else {
			list = append(list, string(v))
		}
	}
	slices.Sort(list) // a directory gives them in any order
	return list
}

// guid is an objectGUID in words; the first three numbers of its 16 bytes stand back to front.
func guid(b []byte) string {
	if len(b) != 16 {
		return ""
	}
	s := hex.EncodeToString([]byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]})
	return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
}

// says puts into the record what an entry says under one of our names.
func (s *Source) says(rec *access.Record, e *goldap.Entry, what string, attributes []string) (err error) {
	var value, attribute string
	for _, a := range attributes {
		if v := values(e, a); len(v) > 0 && value == "" {
			value, attribute = v[0], a // of several the first in order, which is the same tomorrow
		}
	}
	attribute = or(attribute, attributes[0])
	switch what {
	case "user":
		rec.User = value
	case "name":
		rec.Name = value
	case "mail":
		rec.Mail = value
	case "department":
		rec.Department = value
	case "manager":
		rec.Manager = value
	case "sponsor":
		rec.Sponsor = value
	case "external":
		rec.External = slices.ContainsFunc(s.cfg.ExternalTypes, func(t string) bool { return access.Fold(t) == access.Fold(value) })
	case "active":
		rec.Inactive, err = inactive(attribute, value)
	case "start":
		rec.Start, err = moment(attribute, value, false)
	case "end":
		rec.End, err = moment(attribute, value, true)
	default:
		if system, ok := strings.CutPrefix(what, "account:"); !ok {
			rec.More[what] = value
		} else if rec.Accounts[system] = value; value != "" && strings.EqualFold(attribute, "objectGUID") {
			rec.Accounts[system] = "objectGUID:" + value // as the connector names accounts
		}
	}
	return err
}

// disabled is the bit of userAccountControl that says so (MS-ADTS 2.2.16).
const disabled = 0x2

// lockedForGood is the moment that means: locked until an administrator unlocks it
// (draft-behera-ldap-password-policy 5.3.3). Any other is that of too many wrong passwords,
// with which anybody could have somebody else leave.
const lockedForGood = "000001010000Z"

// inactive reads whether an account is disabled.
func inactive(attribute, value string) (bool, error) {
	switch strings.ToLower(attribute) {
	case "useraccountcontrol":
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil {
			return false, errors.New("userAccountControl is not shown: whether the account is disabled cannot be told")
		}
		return n&disabled != 0, nil
	case "pwdaccountlockedtime":
		return value == lockedForGood, nil
	case "nsaccountlock":
		return access.Fold(value) == "true", nil
	}
	switch access.Fold(value) {
	case "", "true", "yes", "1", "active":
		return false, nil
	case "false", "no", "0", "inactive":
		return true, nil
	}
	return false, fmt.Errorf("%s must be true or false, active or inactive, not %.40q", attribute, value)
}

// epoch1601 is how many seconds Windows' time is older than 1970.
const epoch1601 = 11_644_473_600

// moment reads when somebody starts or ends; the zero time is never.
func moment(attribute, value string, last bool) (time.Time, error) {
	attribute = strings.ToLower(attribute)
	if value == "" && attribute != "accountexpires" {
		return time.Time{}, nil
	}
	switch attribute {
	case "accountexpires": // tenths of microseconds since 1601; two numbers mean never
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return time.Time{}, fmt.Errorf("accountExpires must be shown, and a number; it is %.40q", value)
		}
		if n == 0 || n == math.MaxInt64 {
			return time.Time{}, nil
		}
		return time.Unix(n/1e7-epoch1601, 0).UTC(), nil
	case "shadowexpire": // the day since 1970 on which it is over
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil {
			return time.Time{}, fmt.Errorf("shadowExpire must be a number of days, not %.40q", value)
		}
		if n < 0 {
			return time.Time{}, nil
		}
		return time.Unix(0, 0).UTC().AddDate(0, 0, int(n)), nil
	}
	if t, err := time.Parse(time.DateOnly, value); err == nil {
		if last {
			t = t.AddDate(0, 0, 1)
		}
		return t, nil
	}
	for _, form := range []string{time.RFC3339, "20060102150405Z0700", "200601021504Z0700", "20060102150405.0Z0700"} {
		if t, err := time.Parse(form, value); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s must be a date like 2030-12-31 or a moment like 20301231235959Z, not %.40q", attribute, value)
}

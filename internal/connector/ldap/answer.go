package ldap

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
)

// busyWait is how long a server that says it is busy is left alone.
const busyWait = 5 * time.Second

// firstOwnCode is where the library's own codes begin: no server sent those.
const firstOwnCode = goldap.ErrorNetwork

// meaning wraps what came of a request that was sent in what it means for it. An
// LDAP write happens whole or not at all, so a server's "no" is a no; but codes
// with which a proxy answers for a server it lost may follow a deed.
func meaning(err error) error {
	var e *goldap.Error
	if err == nil || errors.Is(err, connector.ErrRefused) {
		return err
	}
	if !errors.As(err, &e) || e.ResultCode >= firstOwnCode {
		return fmt.Errorf("%w: %w", connector.ErrUnanswered, err)
	}
	switch e.ResultCode {
	case goldap.LDAPResultNoSuchObject:
		return fmt.Errorf("%w: %w", connector.ErrNoObject, err)
	case goldap.LDAPResultBusy:
		return &connector.RetryAfter{Err: fmt.Errorf("%w: %w", connector.ErrRefused, err), Wait: busyWait}
	case goldap.LDAPResultUnavailable:
		return &connector.RetryAfter{Err: fmt.Errorf("%w: %w", connector.ErrUnanswered, err), Wait: busyWait}
	case goldap.LDAPResultOther, goldap.LDAPResultTimeLimitExceeded, goldap.LDAPResultCanceled:
		return fmt.Errorf("%w: %w", connector.ErrUnanswered, err)
	}
	if refusals[e.ResultCode] {
		return fmt.Errorf("%w: %w", connector.ErrRefused, err)
	}
	return fmt.Errorf("%w: %w", connector.ErrUnanswered, err)
}

// refusals are the codes that mean: no, and nothing changed.
var refusals = map[uint16]bool{
	goldap.LDAPResultOperationsError:              true,
	goldap.LDAPResultProtocolError:                true,
	goldap.LDAPResultSizeLimitExceeded:            true,
	goldap.LDAPResultAuthMethodNotSupported:       true,
	goldap.LDAPResultStrongAuthRequired:           true,
	goldap.LDAPResultReferral:                     true, // it is elsewhere, where nobody told us to go
	goldap.LDAPResultAdminLimitExceeded:           true,
	goldap.LDAPResultUnavailableCriticalExtension: true,
	goldap.LDAPResultConfidentialityRequired:      true,
	goldap.LDAPResultNoSuchAttribute:              true,
	goldap.LDAPResultUndefinedAttributeType:       true,
	goldap.LDAPResultInappropriateMatching:        true,
	goldap.LDAPResultConstraintViolation:          true,
	goldap.LDAPResultAttributeOrValueExists:       true,
	goldap.LDAPResultEntryAlreadyExists:           true,
	goldap.LDAPResultInvalidAttributeSyntax:       true,
	goldap.LDAPResultAliasProblem:                 true,
	goldap.LDAPResultInvalidDNSyntax:              true,
	goldap.LDAPResultAliasDereferencingProblem:    true,
	goldap.LDAPResultInappropriateAuthentication:  true,
	goldap.LDAPResultInvalidCredentials:           true,
	goldap.LDAPResultInsufficientAccessRights:     true,
	goldap.LDAPResultUnwillingToPerform:           true,
	goldap.LDAPResultLoopDetect:                   true,
	goldap.LDAPResultNamingViolation:              true,
	goldap.LDAPResultObjectClassViolation:         true,
	goldap.LDAPResultNotAllowedOnRDN:              true,
	goldap.LDAPResultObjectClassModsProhibited:    true,
	goldap.LDAPResultAssertionFailed:              true,
	goldap.LDAPResultAuthorizationDenied:          true,
}

// bindReasons are what a domain controller means by its data in a refused bind.
var bindReasons = map[string]string{
	"525": "there is no such account",
	"52e": "the password is wrong",
	"530": "not at this time of day",
	"531": "not from this machine",
	"532": "the password has expired",
	"533": "the account is disabled",
	"701": "the account has expired",
	"773": "the password must be changed first",
	"775": "the account is locked out",
}

var bindData = regexp.MustCompile(`\bdata ([0-9a-f]{3})\b`)

// whyNot puts the reason of a refused bind into words, where it is one of those.
func whyNot(err error) string {
	if m := bindData.FindStringSubmatch(err.Error()); m != nil && bindReasons[m[1]] != "" {
		return ": " + bindReasons[m[1]]
	}
	return ""
}

// unsent words an error that came before the change was sent. Only an answer of
// the server can be anything but "nothing was sent"; and what is not there
// needs no removing.
func unsent(err error, want bool) error {
	switch {
	case errors.Is(err, connector.ErrNoObject) && !want:
		return nil
	case errors.Is(err, connector.ErrNoObject), errors.Is(err, connector.ErrRefused), errors.Is(err, connector.ErrUnreachable):
		return err
	}
	// %v: a read that went unanswered is not a write that did.
	err2 := fmt.Errorf("%w: before the change was sent: %v", connector.ErrUnreachable, err)
	if wait := (*connector.RetryAfter)(nil); errors.As(err, &wait) {
		return &connector.RetryAfter{Err: err2, Wait: wait.Wait}
	}
	return err2
}

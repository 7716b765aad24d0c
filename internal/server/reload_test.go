package server

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/clock"
	"github.com/lessor-iam/lessor/internal/config"
)

// Every setting is either taken in by a reload or named by its refusal: one that
// is new and is neither would be called in force, and would not be.
func TestEverySettingIsTakenInOrNamed(t *testing.T) {
	t.Parallel()
	empty := access.NewDirectory(nil, nil, nil, nil, nil)
	named := map[string]string{"Listen": "listen", "TLS": "tls", "State": "state", "LogCopy": "log_copy", "SchemaRef": "schema_ref", "ReadRef": "database_read_ref", "Database": "database", "DatabaseRef": "database_ref", "LogKeyRef": "log_key_ref",
		"AnswerWithin": "answer_within", "ProvisionWithin": "provision_within", "Pace": "pace", "Backstop": "backstop", "Clock": "clock", "Metrics": "metrics", "Traces": "traces"}
	takenIn := "Dir SecondPerson KeepFree PolicyDir StandIn BreakGlass Inventory Classes Notify Tokens Directory Jira SignIn Feeds FeedTokens Stores Lifecycle Signals Witnesses LogPublish Files Warnings Circles"
	fields := reflect.TypeFor[config.Config]()
	for i := range fields.NumField() {
		f := fields.Field(i)
		if !f.IsExported() {
			continue
		}
		was, is := &config.Config{Directory: empty}, &config.Config{Directory: empty}
		switch v := reflect.ValueOf(is).Elem().Field(i).Addr().Interface().(type) {
		case *string:
			*v = "other"
		case *time.Duration:
			*v = time.Hour
		case *clock.Bounds:
			v.Jump = time.Hour
		case **config.TLS:
			*v = &config.TLS{Certificate: "other"}
		case **config.Metrics:
			*v = &config.Metrics{}
		case **config.Traces:
			*v = &config.Traces{}
		case *access.Pace:
			v.Recheck = time.Hour
		}
		said := strings.Join(settingsChanged(was, is), " ")
		if key := named[f.Name]; key != "" && said != key+" of lessor.yaml" {
			t.Errorf("%s: said %q", f.Name, said)
		} else if in := strings.Contains(" "+takenIn+" ", " "+f.Name+" "); key == "" && (!in || said != "") {
			t.Errorf("%s is neither taken in nor named: said %q", f.Name, said)
		}
	}
}

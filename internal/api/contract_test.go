package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/store"
)

// The contract is generated from the verbs' own types; a change of it is seen in a diff.
func TestContractIsAsWritten(t *testing.T) {
	t.Parallel()
	raw, err := api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	name := filepath.Join("testdata", "openapi.json")
	if os.Getenv("LESSOR_GENERATE") != "" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, pretty.Bytes()) {
		t.Errorf("%s is not what the code says; if that is meant, run make generate", name)
	}
}

// The server hands out the same contract that the golden file holds.
func TestContractIsServed(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	a := d.send(http.MethodGet, "/api/openapi.json", "eve", "")
	if a.status != http.StatusOK || !strings.Contains(a.body, `"/api/v1/requests/{id}/votes"`) {
		t.Errorf("%d %.200s", a.status, a.body)
	}
}

// TestEveryOperation goes by the contract: none of them opens without a token,
// each refuses a query it does not know, and each that takes a body refuses a
// field it does not know.
func TestEveryOperation(t *testing.T) {
	t.Parallel()
	raw, err := api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var contract struct {
		Paths map[string]map[string]struct {
			OperationID string          `json:"operationId"`
			RequestBody json.RawMessage `json:"requestBody"`
			Security    json.RawMessage `json:"security"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(raw, &contract); err != nil {
		t.Fatal(err)
	}
	d := open(t, store.SQLite)
	inPath := regexp.MustCompile(`\{[a-z]+\}`)
	seen := 0
	for path, ops := range contract.Paths {
		for method, op := range ops {
			seen++
			method, where := strings.ToUpper(method), inPath.ReplaceAllString(path, "x")
			if op.Security != nil {
				t.Errorf("%s has a security of its own: %s", op.OperationID, op.Security)
			}
			before := d.stored()
			for _, h := range [][]string{nil, {"Authorization", "Bearer nobody's"}, {"Authorization", "Basic eDp5"}} {
				a := d.send(method, where, "", "{}", h...)
				d.refused(op.OperationID+" without a token", a, before)
				if a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") != "Bearer" {
					t.Errorf("%s without a token: %d", op.OperationID, a.status)
				}
			}
			d.refused(op.OperationID+" with a query", d.send(method, where+"?no_such=1", "eve", "{}"), before)
			if op.RequestBody != nil {
				d.refused(op.OperationID+" with a field", d.send(method, where, "eve", `{"no_such":1}`), before)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d operations were seen", seen)
	}
}

package authzen

import (
	"net/http"
	"net/url"
)

// The texts this door is written from: github.com/openid/authzen at one commit.
const (
	Draft  = "authzen-access-request-approval-profile-1_0"
	Commit = "e287920eed842b227e38531c1735b712337ca44d"
)

// capability says that denials can be answered by asking (ARAP, Discovery).
const capability = "urn:openid:authzen:capability:access-request"

// metadata is what the door says of itself (Authorization API, Policy Decision
// Point Metadata). There is no jwks_uri: nothing is signed, and what is sealed is
// for this door alone to read.
type metadata struct {
	PolicyDecisionPoint string   `json:"policy_decision_point"`
	Evaluation          string   `json:"access_evaluation_endpoint"`
	Evaluations         string   `json:"access_evaluations_endpoint"`
	Subjects            string   `json:"search_subject_endpoint"`
	Resources           string   `json:"search_resource_endpoint"`
	Actions             string   `json:"search_action_endpoint"`
	Requests            string   `json:"access_request_endpoint"`
	Capabilities        []string `json:"capabilities"`
	Profile             profile  `json:"https://github.com/lessor-iam/lessor/access-request-profile"`
}

// profile says which text of the draft this is, and which of its options are not offered.
type profile struct {
	Document      string `json:"document"`
	Repository    string `json:"repository"`
	Commit        string `json:"commit"`
	Callbacks     bool   `json:"callbacks_offered"`
	BindingTokens bool   `json:"binding_tokens_offered"`
}

func (d *door) discovery(w http.ResponseWriter, r *http.Request) {
	b := base(r.Context())
	if d.Base != "" {
		w.Header().Set("Cache-Control", "public, max-age=300")
	}
	d.write(w, http.StatusOK, metadata{PolicyDecisionPoint: b, Evaluation: b + Evaluation, Evaluations: b + Evaluations, Subjects: b + OfSubjects,
		Resources: b + OfResources, Actions: b + OfActions, Requests: b + Requests, Capabilities: []string{capability},
		Profile: profile{Document: Draft, Repository: "https://github.com/openid/authzen", Commit: Commit}})
}

// isHTTPS tells whether a text is https://HOST and nothing that a path cannot follow.
func isHTTPS(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" && (u.Path == "" || u.Path == "/")
}

// schemaText describes what a submission adds to its context and requested_access
// (ARAP, Machine-Readable Forms).
const schemaText = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "What a request for access says beside what was denied",
  "type": "object",
  "required": ["context"],
  "properties": {
    "context": {
      "type": "object",
      "required": ["business_justification"],
      "properties": {
        "business_justification": {
          "type": "string", "minLength": 1, "maxLength": 3900,
          "description": "In a sentence, what the access is for. Whoever approves reads it."
        }
      }
    },
    "requested_access": {
      "type": "object",
      "properties": {
        "requested_until": {
          "type": "string", "format": "date-time",
          "description": "When the access ends at the latest. Without it: the longest term there is, from when it is seen."
        },
        "emergency": {
          "type": "boolean",
          "description": "Told to whoever approves. It shortens nothing and skips nobody."
        }
      }
    }
  }
}
`

func (d *door) schema(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/schema+json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write([]byte(schemaText)) // whoever asked has gone if this fails
}

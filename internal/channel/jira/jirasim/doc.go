// Package jirasim is a stateful stand-in for Jira and Jira Service Management,
// held in memory, for tests and the demo: users of every kind, projects with
// workflows that have real holes, requests, approvals, comments, webhooks.
//
// It answers as Jira Cloud does (REST v3 and v2, and /rest/servicedeskapi), or
// as Jira Data Center does (REST v2) through a second door to the same state.
// Who calls is a user with permissions, and they are enforced. What Jira leaves
// open is left open here too: a transition past an approval, a workflow shared
// with a project that enforces nothing, a rule that acts as somebody else.
//
// It can be made to fail as Jira fails: before or after taking effect, slowly,
// with 429 in every dress, and its search lags behind. It opens no connection
// of its own: whoever holds it serves it, and lends it a way to send webhooks.
// It knows nothing of entitlements, and keeps nothing on disk.
package jirasim

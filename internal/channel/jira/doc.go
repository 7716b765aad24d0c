// Package jira is the channel to Jira and Jira Service Management: tickets are
// read and become requests, answers in them become votes that policy judges, and
// what Lessor decided and saw is written back. A ticket is transport and
// evidence, never authority: no status, transition, edit or administrator of
// Jira grants, extends or keeps anything.
//
//	webhook, poller ── "read issue N" ──> Heed (noted)      job ── Read ──> Submit, Edit, Vote, KeepTicket
//	whatever is decided or seen ──> job ── Tell ──> comments, labels, status, link
//
// Both jobs decide from what is stored and what is there, never from what woke
// them, and may run twice, late, or on another replica. It holds no rule of
// approval, and knows no SQL.
package jira

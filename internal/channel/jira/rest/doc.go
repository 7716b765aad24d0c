// Package rest speaks to one Jira site: Cloud (REST v3) or Data Center (REST v2),
// and the service desk's own API on both, behind one port, [Site].
//
// It names issues by their immutable numeric id, builds every address from the
// configured base, follows no redirect and no address out of an answer, bounds
// every answer, and sends the token to nobody else. While Jira asks to be left
// alone it sends nothing and says at once for how long, so that it never blocks
// anything but Jira. It never retries: whoever calls decides when, and reads
// before it repeats a write that may have taken effect. It holds no rule of
// approval and believes no status.
package rest

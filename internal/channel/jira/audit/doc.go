// Package audit looks at how a Jira site is arranged and used, from outside of
// it, as only something that knows what was really granted can:
//
//	Doctor   whether a site fits its mapping, and the token its work
//	Setup    what is still to be made, and the mapping that follows from what is there
//	Audit    labels against risk, visibility against sensitivity, ways around
//	         an approval, and speed and scope, apart
//
// It reads, and says what it could not read. The one thing it ever makes is a
// request type, in Setup and only when told to. It decides nothing and changes
// nothing of Lessor's.
package audit

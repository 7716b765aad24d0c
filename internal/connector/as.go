package connector

// Chooser is a connector that has the methods of more optional things than its
// target can do, because it serves many kinds of targets.
type Chooser interface {
	// Can says whether it is to be used as what is pointed to, a *[Accounts] say. It
	// never blocks, and never changes.
	Can(be any) bool
}

// As gives the connector as one of the optional things, if it can be that.
func As[Thing any](c Connector) (thing Thing, can bool) {
	thing, can = c.(Thing)
	if chooser, some := c.(Chooser); can && some && !chooser.Can((*Thing)(nil)) {
		var none Thing
		return none, false
	}
	return thing, can
}

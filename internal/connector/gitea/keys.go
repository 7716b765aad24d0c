package gitea

import (
	"context"
	"fmt"
)

// keys names the deploy keys of a repository. Whoever administers it can add some, and
// they go on to work when he is gone; Gitea does not tell who added which.
func (c *Connector) keys(ctx context.Context, p place) (named []string, err error) {
	all, err := list[deployKey](ctx, c, p.path()+"/keys")
	for _, k := range all {
		what := "reads and writes"
		if k.ReadOnly {
			what = "reads"
		}
		named = append(named, fmt.Sprintf("possibly the deploy key %q of %s, which %s, added %s by nobody knows whom", k.Title, p, what, k.Made))
	}
	return named, err
}

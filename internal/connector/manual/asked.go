package manual

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/lessor-iam/lessor/internal/connector"
)

// ask is one line of the list. It is JSON, not a table: a spreadsheet would take
// some names for formulas.
type ask struct {
	Do      string    `json:"do"` // add or remove
	Account string    `json:"account"`
	Object  string    `json:"object"`
	At      time.Time `json:"asked_at"`
}

func newAsk(ch connector.Change, now time.Time) ask {
	a := ask{Do: "remove", Account: ch.Account, Object: ch.Object, At: now.UTC()}
	if ch.Want {
		a.Do = "add"
	}
	return a
}

func (a ask) want() bool { return a.Do == "add" }

// list is what is open, the last thing asked of each holding.
type list map[connector.Ref]ask

func (c *Connector) asked() (list, error) {
	raw, err := os.ReadFile(c.Asked)
	if errors.Is(err, fs.ErrNotExist) {
		return list{}, nil
	}
	if err != nil {
		return nil, err
	}
	l := list{}
	n := 0
	for line := range bytes.Lines(raw) {
		n++
		var a ask
		if err := json.Unmarshal(line, &a, json.RejectUnknownMembers(true)); err != nil || (a.Do != "add" && a.Do != "remove") || a.At.IsZero() {
			return nil, fmt.Errorf("%s:%d: is no line of this list (%v); it is kept by the connector and only read by people", c.Asked, n, err)
		}
		l[connector.Ref{Account: a.Account, Object: a.Object}] = a
	}
	return l, nil
}

// change reads the list, and writes it anew if do says that it changed. The list
// is replaced whole: if we stop in between, the old one stands.
func (c *Connector) change(do func(list) bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	lock, err := os.OpenFile(c.Asked+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close() // and with it the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	l, err := c.asked()
	if err != nil || !do(l) {
		return err
	}
	var text bytes.Buffer
	for _, r := range slices.SortedFunc(maps.Keys(l), func(a, b connector.Ref) int {
		return cmp.Or(l[a].At.Compare(l[b].At), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Account, b.Account))
	}) {
		line, err := json.Marshal(l[r])
		if err != nil {
			return err
		}
		text.Write(append(line, '\n'))
	}
	f, err := os.OpenFile(c.Asked+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text.Bytes())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), c.Asked)
}

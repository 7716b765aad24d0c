package access

import "time"

// LogKey is a key that followed another one as the log's: heads of the log beyond Size
// are signed by it alone.
type LogKey struct {
	ID   string    `json:"id"`
	Size int64     `json:"size"` // of the log when it followed
	Key  string    `json:"key"`  // its public half
	Says string    `json:"says"` // the statement that both keys signed
	At   time.Time `json:"at"`
}

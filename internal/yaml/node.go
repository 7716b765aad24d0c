package yaml

// Kind is what a value is.
type Kind uint8

const (
	Null Kind = iota
	Text
	Number
	Bool
	List
	Map
)

// String is the kind in an error message.
func (k Kind) String() string {
	return [...]string{"nothing", "text", "a number", "true or false", "a list", "a mapping"}[k]
}

// Node is one value of a text, with its place, free of the parser's own tree. Lines
// and columns start at 1.
type Node struct {
	Kind      Kind
	Line, Col int32
	Text      string // of text; of a number or true/false as written
	List      []Node
	Keys      []Entry // of a mapping, each key once
}

// Entry is one key of a mapping.
type Entry struct {
	Key       string
	Line, Col int32
	Value     Node
}

// Get is the value of a key, nil if there is none or it is null.
func (n *Node) Get(key string) *Node {
	for i := range n.Keys {
		if n.Keys[i].Key == key && n.Keys[i].Value.Kind != Null {
			return &n.Keys[i].Value
		}
	}
	return nil
}

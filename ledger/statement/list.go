package statement

// Known reports whether k is a kind of this protocol level.
func (k Kind) Known() bool {
	_, ok := newBody(k)
	return ok
}

package statement

// SignedWith is which of its issuer's keys signs statements of kind k.
func (k Kind) SignedWith() KeyUse {
	switch {
	case k.ByNode():
		return UseNode
	case k.ByGovernance():
		return UseGovernance
	}
	return UseStatement
}

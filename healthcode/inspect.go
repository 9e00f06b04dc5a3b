package healthcode

// ClaimsUnverified is what a code says, which nobody has vouched for: anybody can
// make a code that says it. It is for issuers who look at what they issue, and for
// engineers; no decision may be made with it. ok is false for a format that does
// not show it.
func ClaimsUnverified(u Unverified) (claims Claims, ok bool) {
	open, ok := u.(interface{ ClaimsUnverified() Claims })
	if !ok {
		return Claims{}, false
	}
	return open.ClaimsUnverified().clone(), true
}

package spawn

// Concat is the actions of a, then those of b.
func Concat(a, b FileActions) FileActions {
	a.Append(&b)
	return a
}

package spawn

// Concat is the actions of a, then those of b.
func Concat(a, b FileActions) FileActions {
	return FileActions{append(append([]action(nil), a.list...), b.list...)}
}

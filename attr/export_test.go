package attr

// Nameless is an attribute under a name by which nobody knows it. Outside of this package
// there is none.
type Nameless struct{ ParentDeathSignal }

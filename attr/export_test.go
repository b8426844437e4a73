package attr

// Nameless is an attribute of which the rest of the list knows nothing. Outside of this package
// there is none.
type Nameless struct{ Attr }

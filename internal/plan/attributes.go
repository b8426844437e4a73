package plan

// Attributes is what package attr does with a list of attributes. It fills this in,
// and package attrlist, which knows the type of a list, calls it: methods would
// stand in the reference of attr.
var Attributes struct{ Check, Lower, Fallback, InTree, TreeOf, Optional any }

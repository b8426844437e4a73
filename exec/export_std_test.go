package exec

// StdFields are the fields of os/exec's Cmd that are known.
var StdFields = stdFields

package raw

import "runtime"

// stackFirst says that the stack comes before the flags among the arguments of clone(2).
const stackFirst = runtime.GOARCH == "s390x"

// CloneFlagsArg is which of the arguments of clone(2) has the flags.
func CloneFlagsArg() int {
	if stackFirst {
		return 1
	}
	return 0
}

// cloneOrder has the arguments of clone(2) in the order of this architecture.
func cloneOrder[T any](flags, stack, parentTID, fourth, fifth T) [5]T {
	if stackFirst {
		flags, stack = stack, flags
	}
	return [5]T{flags, stack, parentTID, fourth, fifth}
}

package raw

// Claim is whose a number of a pidfd is. Other code may close the number, by mistake;
// the kernel then gives it to the next pidfd, whose owner claims it.
type Claim struct{ n uint32 }

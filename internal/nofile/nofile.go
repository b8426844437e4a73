// Package nofile remembers the limit of open files that this process was
// started with. Package syscall raises the soft limit when it is initialised,
// and children should get the original back.
//
// Packages are initialised in the order of their paths once their imports are;
// this one imports nothing and its path sorts before "syscall", so it reads the
// limit before syscall changes it.
package nofile

package fsx

// BootID is a text that changes at every boot of the machine and not between,
// or "" where none is known. What was only in the page cache under another boot
// ID may be lost; under the same one, a process died but the disk lost nothing.
func BootID() string { return bootID() }

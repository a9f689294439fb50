// Package depot reads the depot build scripts of Steam (VDF) and says the same in a
// packaging manifest.
//
// It promises that a script, however broken, is read in bounded time and memory and
// told with the line to blame; that what a manifest cannot say is a note or a fault
// and never lost unsaid. It reads no disk but through the file system that it is
// given, and writes nothing. The command line calls it.
package depot

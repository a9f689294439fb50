// Package packing goes from a packaging manifest to what pack.Build takes: it reads
// the manifest from the disk, finds the files that its selectors name, and says
// what to offer of a finished pack in a download manifest.
//
// It promises that the same manifest over the same files selects the same, in
// whatever order the selectors stand; that nothing outside the source root is read
// or packed; that everything wrong with a selection is told at once, with the
// selector to blame; and that no two sources ever meet at one path unsaid.
//
// It writes nothing and builds nothing. The command line and the publisher call it.
package packing

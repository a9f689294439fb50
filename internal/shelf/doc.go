// Package shelf reads the installed packs of one app: which there are, and their
// files as one tree. It is a public layout, doc/shelf-format.md: whoever reads a
// shelf asks nobody, and other languages may do the same.
//
// It promises that what a process sees does not change under its feet: [Open] takes
// the newest view with a lease, an operating system's lock that dies with the
// process; while it is held no file of the view goes away. [Shelf.Add] takes packs
// that came later, and only [Shelf.Refresh] moves those that were there. It promises that no path
// leads out of a pack, whatever the caller or the pack says, and that finding and
// opening a file costs little more than os.Open does.
//
// It writes nothing on the shelf, downloads nothing, and does not know the service.
// Package install writes what this one reads, and shares [View]; the client hands its
// files to apps.
//
// Errors: 1008 for a shelf that a newer Larder wrote, 1002 for a damaged view; of
// the domain BAManagedErrorDomain 0 for a pack that is not installed and 1 for a
// file that is not there (managed §4), which is fs.ErrNotExist too.
package shelf

// Package crash is a file system whose power can be cut, for tests of what is
// left afterwards. It implements [fsx.FS] over a real directory, so that other
// real code, and other processes, see the files while the power is on.
//
//	disk := crash.New(fsx.OS(), t.TempDir()) // what is there already is durable
//	stock := install.New(disk, ...)          // any code that takes an fsx.FS
//	stock.Run()
//	disk.Crash(crash.Keep{})                 // or Keep{Random: rand.New(...)}
//	again := install.New(disk.Reopen(), ...) // the machine starts anew
//	again.Run()                              // must find nothing broken
//
//	for step := 1; step <= steps; step++ {   // steps: Steps() of a whole run
//		disk.CrashAt(step, crash.Keep{})     // on a fresh disk each time
//
// # What is modelled
//
// Every change goes to the real directory at once, and an undo log in memory
// says what the power cut takes back. "Durable" is only what was synced:
//
//   - Bytes and size of a file become durable with Sync on any handle of that
//     file, never by closing or renaming it. A sync carries no other file along.
//   - A name, created, renamed or removed, becomes durable with SyncDir of the
//     directory that holds it; of both directories for a rename between two. A
//     file that was synced under a name that was not is lost: POSIX read
//     strictly. A directory's own name is made durable in its parent.
//   - A change of a name that became durable makes the earlier changes of the
//     same name durable, and of a removed directory's entries: a disk cannot
//     show an effect without its cause. A rename of a directory from one parent
//     to another carries every earlier change along.
//   - Rename is atomic, as on every journalled file system: one of both names,
//     and a replaced file is there, whole, as long as the new one is not.
//
// [Keep] chooses among the states that a disk could show. The zero Keep drops
// all that is not durable. A random one keeps, of the pending changes of names,
// a prefix in order; and of each file, independent of names and of other files,
// any subset of the overwritten 512-byte sectors and any prefix of the bytes
// appended; a truncation that was not synced may have happened or not (if not,
// what was written behind it is lost).
//
// # What is not modelled
//
// Modes, times and symbolic links. Garbage or zeros in unsynced appends. Disks
// that lie about a sync. O_SYNC. Changes made by others in the directory (a
// database, a child process): they stay, unless their directory goes or [FS.Foreign]
// told of them. Sync does
// not wait for the real disk, so tests are fast and the real power had better
// stay on. Names are compared as text, so use one spelling of the root.
//
// Use it on Unix: on Windows an open file cannot be moved aside. No product
// binary carries this package.
package crash

// Package extension is what an app's downloader extension imports, and the
// service's end of the same conversation: newline-delimited JSON-RPC 2.0 over
// the extension's standard input and output (doc/extension-protocol.md).
//
// An author writes a type with one method, Downloads, and a main of one line:
//
//	func main() { extension.Main(myExtension{}) }
//
// More entry points are optional interfaces: Finisher, Failer, Challenger,
// PackChooser, Terminator. What a type does not implement has the default
// behaviour of classic §2.5 to §2.7. Calls come one at a time, so an
// extension needs no locks of its own; the app may run at the same time,
// so files in the container need care (classic §2.7).
//
// The service's end is Session, used by internal/exthost alone. It treats the
// other end as hostile: lines, values, nesting, counts and the session as a whole
// are bounded before memory is taken, and an answer to downloads is handed on one
// element at a time. It does not judge the downloads themselves (that is
// asset.Download.Validate and the service), starts no process and keeps no time
// limit but the caller's context.
package extension

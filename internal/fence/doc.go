// Package fence starts a program of somebody else's so that it reaches little
// more than the directories it was given, and ends it and everything it started.
//
// On Linux our own binary is started again as a small supervisor, which builds the
// fence around itself and then runs the program: namespaces of its own, Landlock and
// seccomp, whichever the machine permits. What holds differs by machine, so each
// Process says what its Level holds and what is missing, and why; Probe says it of
// this machine. On other systems and where a program does not call Main, there is
// no more than the end of the process group, or a job object on Windows; the Level
// says so. WebAssembly modules (a path ending in .wasm) run in a process of ours under
// the same fence, and see nothing but their two directories on any system.
//
// It does not promise secrecy of what every program may read (system libraries, the
// number of processors), nor protection from holes of the kernel, nor anything between
// two programs that share a container. The words of a conversation and its deadline
// are the caller's: internal/exthost alone calls Start; main functions call Main
// first of all; doctor and status call Probe.
package fence

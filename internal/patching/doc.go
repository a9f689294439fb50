// Package patching tells what an update costs, file by file, and why; and what in a
// tree would make updates dear.
//
// It promises that the costs of all files add up to what is downloaded, that each
// has a reason in words, and that every finding says what to do. It decides nothing
// and keeps nothing; what pack plans is the truth, and this explains it. The command
// line calls it.
package patching

// Package exthost runs an app's extension as a process of its own, asks it, and
// ends it: at the deadline of a request, when it uses too much memory, when it
// breaks the protocol, when it has been idle, or when the service is done.
//
// It promises that a call returns when its deadline has passed whatever the
// extension does, that every failure is an *asset.Error 1007 whose message says
// the cause in plain words, and that the process and all of its process group are
// gone when Done is closed. It does not promise a sandbox: the process runs with
// the rights of the service, and a child that leaves the process group outlives it.
// Memory is watched on Linux only. The daily budget belongs to internal/apps,
// which reads Used.
//
// The service calls it, once per session.
package exthost

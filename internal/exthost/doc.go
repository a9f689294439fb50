// Package exthost runs an app's extension as a process of its own, asks it, and
// ends it: at the deadline of a request, when it takes more than its fence allows,
// when it breaks the protocol, when it has been idle, or when the service is done.
//
// It promises that a call returns when its deadline has passed whatever the
// extension does, and that every failure is an *asset.Error 1007 whose message says
// the cause in plain words. What the extension can reach, and that nothing of it is
// left when Done is closed, is the promise of internal/fence, as far as the Level of
// the process says. The daily budget belongs to internal/apps, which reads Used.
//
// The service calls it, once per session.
package exthost

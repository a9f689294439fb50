// Package trust says what a site's developer has signed, with The Update
// Framework (TUF): which bytes are the manifest of a release context, and which
// versions of which packs may stand in one. It holds both ends: [Client], on the
// device, and [Keyring] and [Repository], at the publisher.
//
// An app has one repository of metadata, below trust/ in its part of the site,
// and its bundle has a root of it. Two tiers must agree. The publisher role, whose key
// stays offline, signs pack versions: ID, version, content and index. A release role,
// one for each context and online if need be, signs the manifest, which may name only
// such versions. So a stolen release key makes no content, and a stolen publisher key
// makes no release. Root keys, offline and with a threshold, sign who holds the others.
//
// The client promises: nothing is given out that both tiers have not signed; metadata of
// every kind is bounded before it is read; versions only rise; what a device has
// proved is written in one durable step, and a device that slept through any number of
// rotations finds its way from its old root. Metadata that expired stops changes and
// nothing else: [Client.Known] still tells what was proved. The time is the clock's, or
// that of the newest signed timestamp if the clock is behind it.
//
// It does not fetch, parse manifests or install; it knows no packs' bytes. Errors
// are 1005 for what is not signed as it must be, 1006 for what has expired; those of
// the fetcher and the disk pass through.
//
// The service, the publisher, the host and the command line call it.
package trust

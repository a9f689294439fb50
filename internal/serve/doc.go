// Package serve is a site for developers: it builds packs from what lies in their
// folders, follows each change, and delivers them to the apps of this machine or
// network, as wrongly as a script of faults says.
//
// It promises that what it delivers is delivered as a real site would: the packs are
// published into a folder by publish, and read from it by way of site's own
// handler. A change appears from one moment to the next; with a fault in it the old state
// stays. Versions rise by themselves, and only when content differs. It is no server for the public:
// whoever reaches it may read all of it.
//
// The command line calls it.
package serve

// Package publish puts packs on a site, in a release context of an app, signed or
// not: build, compare with what is live, make deltas from that, upload, sign, and only
// then point to it.
//
// It promises that a site is whole at every moment: blobs go first and the one
// pointer that devices follow last, so a run that is cut off leaves the old state, and
// the next run uploads only what is lacking; that the same input twice changes
// nothing; that the version of a pack rises when its content differs, and only then; and that
// what it signed is checked as a device would before it returns.
//
// It selects and builds by way of packing and pack, signs by way of trust, and does not
// decide who may publish. Whoever holds the keys and may write the site can.
//
// The command line calls it.
package publish

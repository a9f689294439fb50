// Package faulty makes a sound HTTP handler misbehave as a script says: it drops,
// stalls, slows, damages and exchanges what the handler answers, at exact bytes and
// as often as the script wants.
//
// It promises that the same script over the same requests does the same, whatever
// else runs beside: each file counts for itself, and what is left to chance follows from the
// seed, the file and the count. It serves nothing of its own and keeps no log.
//
// "larder serve" and the server of our tests call it.
package faulty

// Package chart draws where bytes are: an HTML page with a treemap, complete in one
// file, without scripts and without anything from elsewhere.
//
// It promises that the page is the same for the same input, that paths in it are text
// and never markup, and that a million files make a page of some hundred
// kilobytes: what is too small to be seen is drawn together. It knows nothing of
// packs. The command line calls it.
package chart

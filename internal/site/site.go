// Package site is what a device reads packs from: download manifests, which change,
// and blobs named by their SHA-256, which never do (doc/site-format.md). It has the
// layout, the reading of a manifest as hostile input, the writing of a site into a
// folder, and the one delivery handler over such a folder.
//
// It promises that a manifest is refused as a whole, with all its faults, or is fit
// to be acted on; that a folder never names a blob that it does not hold yet; and
// that nothing outside the folder is read or delivered. It does not fetch, sign or
// decide which packs a device takes: see reconcile.
//
// The service reads manifests; "larder serve" and the publisher write and deliver.
package site

import (
	"net/url"
	"path"
	"strings"

	"larder/asset"
)

// Prefix is where a Larder host has its site (design §4).
const Prefix = "/larder/v1/"

// ManifestPath is where a site has the manifest of an app in a release context.
func ManifestPath(app asset.AppID, context string) string {
	return path.Join("apps", string(app), context, "manifest.json")
}

// AppPath is where a site has a document of an app: its signed metadata, say.
func AppPath(app asset.AppID, name string) string { return path.Join("apps", string(app), name) }

// BlobPath is where a site has the blob with that SHA-256, of 64 hexadecimal digits.
func BlobPath(hash string) string { return path.Join("blobs", hash[:2], hash) }

// BlobURL is the URL of a blob as a manifest of the same site writes it: relative,
// so that a site may be moved and mirrored.
func BlobURL(hash string) string { return "../../../" + BlobPath(hash) }

// BlobOf is the path of the blob that a manifest names in the form of [BlobURL].
func BlobOf(u string) (string, bool) {
	hash := u[strings.LastIndexByte(u, '/')+1:]
	if !isHash(hash) || u != BlobURL(hash) {
		return "", false
	}
	return BlobPath(hash), true
}

// ManifestURL is where a device finds the manifest: on the app's own server
// (BAManifestURL), which hears of the platform in a query that it may ignore
// (managed §3.2), or at a Larder host.
func ManifestURL(own, host string, app asset.AppID, context string, platform asset.Platform) string {
	if own == "" {
		return host + Prefix + ManifestPath(app, context)
	}
	u, err := url.Parse(own)
	if err != nil {
		return own
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "platform=" + url.QueryEscape(string(platform))
	return u.String()
}

// isHash reports whether s is 64 lower-case hexadecimal digits.
func isHash(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

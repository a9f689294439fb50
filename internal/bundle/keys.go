package bundle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

var (
	rootKeys = []string{
		"BAManifestURL", "BAInitialDownloadRestrictions", "BAMaxInstallSize", "BAEssentialMaxInstallSize", "BAAppGroupID",
		"BAHasManagedAssetPacks", "BAUsesAppleHosting",
		"LarderHostURL", "LarderTrustedRoot", "LarderEssentialFailurePolicy", "LarderFinishedFilePolicy",
		"LarderCertificateAuthorities",
	}
	restrictionKeys = []string{"BADownloadAllowance", "BAEssentialDownloadAllowance", "BADownloadDomainAllowList"}
)

// checkNames is a fault for each key that looks like one of the asset keys and
// is none of known. Those in elsewhere belong to another place, and move says
// which.
func checkNames(d dict, known, elsewhere []string, move string) {
	mend := func(key string) string {
		if d.faults.full() {
			return ""
		}
		return suggest(key, slices.Concat(known, elsewhere), "remove it")
	}
	for _, key := range slices.Sorted(maps.Keys(d.m)) {
		switch {
		case slices.Contains(known, key):
		case slices.Contains(elsewhere, key):
			d.fault(key, d.text(key), "it is in the wrong place", move)
		case ours(key) || d.path != "":
			d.fault(key, d.text(key), "there is no such key", mend(key))
		case startsLikeOurs(key) && nearest(key, known) != "":
			d.fault(key, d.text(key), "there is no such key", mend(key))
		}
	}
}

// ours reports whether key has the form of an asset key: "Larder…", or "BA" and
// a name in mixed case. An app's own BASE_URL is not ours.
func ours(key string) bool {
	if strings.HasPrefix(key, "Larder") {
		return true
	}
	return len(key) > 2 && strings.HasPrefix(key, "BA") && key[2] >= 'A' && key[2] <= 'Z' && strings.ToUpper(key) != key
}

func startsLikeOurs(key string) bool {
	fold := strings.ToLower(key[:min(len(key), 6)])
	return strings.HasPrefix(fold, "ba") || fold == "larder"
}

// suggest is "did you mean …?" for the nearest of known, or other.
func suggest(word string, known []string, other string) string {
	if k := nearest(word, known); k != "" {
		return fmt.Sprintf("did you mean %s?", k)
	}
	return other
}

// nearest is the known word that is at most a third of its letters away from
// word, case not counted; "" when there is none.
func nearest(word string, known []string) string {
	best, at := "", 0
	for _, k := range known {
		limit := len(k) / 3
		if diff := len(word) - len(k); diff > limit || -diff > limit {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d <= limit && (best == "" || d < at) {
			best, at = k, d
		}
	}
	return best
}

// distance is the least number of bytes to insert, delete or change to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

package trust

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Role names who may sign what.
type Role string

// The roles of an app's repository; releases are [ReleaseRole].
const (
	RoleRoot      Role = metadata.ROOT      // who holds which key; offline, with a threshold
	RoleTargets   Role = metadata.TARGETS   // names publisher and releases; signed by the root keys
	RolePublisher Role = "publisher"        // pack versions; offline
	RoleSnapshot  Role = metadata.SNAPSHOT  // which metadata belong together; online
	RoleTimestamp Role = metadata.TIMESTAMP // which snapshot is the newest; online, short-lived
)

const releasePrefix = "release-"

// ReleaseRole signs the manifest of one release context ("production").
func ReleaseRole(context string) Role { return Role(releasePrefix + context) }

// context is the one that a release role is for.
func (r Role) context() (string, bool) { return strings.CutPrefix(string(r), releasePrefix) }

// delegated roles are named by targets, the others by root.
func (r Role) delegated() bool {
	_, release := r.context()
	return release || r == RolePublisher
}

// paths are what a delegated role may sign.
func (r Role) paths() []string {
	if context, ok := r.context(); ok {
		return []string{manifestPath(context)}
	}
	return []string{packPath("*", "*")}
}

func manifestPath(context string) string { return path.Join("manifests", context+".json") }

func packPath(id, version string) string { return path.Join("packs", id, version) }

// Directory is where the metadata lies, below the app's part of a site.
const Directory = "trust"

// MaxTimestamp bounds the bytes of a timestamp.
const MaxTimestamp = 16 << 10

// TimestampFile is the one document of the metadata that changes in place.
const TimestampFile = Directory + "/timestamp.json"

func versionedFile(r Role, version int64) string {
	return fmt.Sprintf("%s/%d.%s.json", Directory, version, r)
}

// ManifestFile is where a signed manifest lies for good, below the app's part of a site.
func ManifestFile(context string, h [32]byte) string {
	return fmt.Sprintf("%s/%x.manifest.json", context, h)
}

// Bounds of documents, in bytes. The publisher's holds some 16,000 versions.
const (
	maxRoot      = 256 << 10
	maxSnapshot  = 256 << 10
	maxTargets   = 256 << 10
	maxPublisher = 8 << 20
	maxRelease   = 16 << 10
	maxManifest  = 16 << 20
	maxRotations = 1024 // roots a device follows in one go
)

func (r Role) limit() int64 {
	switch r {
	case RoleRoot:
		return maxRoot
	case RoleTimestamp:
		return MaxTimestamp
	case RoleSnapshot:
		return maxSnapshot
	case RoleTargets:
		return maxTargets
	case RolePublisher:
		return maxPublisher
	}
	return maxRelease
}

// metaName is how a snapshot calls the metadata of a role.
func (r Role) metaName() string { return string(r) + ".json" }

func versionText(v int64) string { return strconv.FormatInt(v, 10) }

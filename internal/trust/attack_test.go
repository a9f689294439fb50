package trust

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"larder/asset"
)

func TestRollbackToAnOlderSiteIsRefused(t *testing.T) {
	w := newWorld(t)
	old := w.site.copy()
	w.publish(2)
	w.takes(2)
	w.site.files = old
	w.refuses(asset.CodeSignature, 2)
}

func TestARollbackIsRefusedEvenAfterATornAnswer(t *testing.T) {
	w := newWorld(t)
	w.takes(1)
	one := w.site.copy()
	w.publish(2)
	two := w.site.copy()
	w.publish(3)
	w.site.tamper = func(name string, _ []byte) ([]byte, bool) {
		return nil, strings.HasSuffix(name, ".snapshot.json") // shows the timestamp of 3 and nothing more
	}
	w.refuses(asset.CodeSignature, 1)
	w.site.tamper = nil
	for _, old := range []map[string][]byte{two, one} {
		w.site.files = old
		w.refuses(asset.CodeSignature, 1)
	}
}

func TestAFrozenSiteExpires(t *testing.T) {
	w := newWorld(t)
	w.takes(1)
	old := w.site.copy()
	w.publish(2)
	w.site.files = old
	w.now = w.now.Add(100 * day)
	w.refuses(asset.CodeExpiredMetadata, 1)
}

func TestMetadataOfTwoReleasesDoesNotMix(t *testing.T) {
	w := newWorld(t)
	w.takes(1)
	w.publish(2)
	two := w.site.copy()
	w.publish(3)
	for _, role := range []string{".snapshot.json", ".publisher.json", ".release-production.json", ".manifest.json"} {
		w.site.tamper = func(name string, honest []byte) ([]byte, bool) {
			if !strings.HasSuffix(name, role) {
				return nil, false
			}
			for _, n := range w.site.names() {
				if b := two[n]; strings.HasSuffix(n, role) && b != nil && string(b) != string(honest) {
					return b, true
				}
			}
			return nil, false
		}
		w.refuses(asset.CodeSignature, 1)
	}
}

func TestEndlessDataIsBounded(t *testing.T) {
	w := newWorld(t)
	w.takes(1)
	w.publish(2)
	for _, part := range []string{"timestamp", "snapshot", "publisher", "release", "manifest"} {
		w.site.tamper = func(name string, _ []byte) ([]byte, bool) { return make([]byte, 20<<20), strings.Contains(name, part) }
		if _, err := w.client().Refresh(context.Background()); !errors.Is(err, asset.Sentinel(asset.CodeSignature)) {
			t.Errorf("%s without end: %v", part, err)
		}
		w.has(1)
	}
}

func TestAFastForwardIsHealedByRotatingTheOnlineKeys(t *testing.T) {
	w := newWorld(t)
	w.takes(1)
	thief := w.open("snapshot", "timestamp")
	thief.timestamp.Signed.Version, thief.snapshot.Signed.Version = 1<<40, 1<<40
	thief.snapshot.Signed.Expires = thief.now // so that it is written anew
	thief.now = thief.now.Add(30 * day)       // signs a time to come, too
	w.commit(thief)
	w.takes(1)
	w.rotate("root1", "root2", Edit{Role: RoleSnapshot, Add: []Key{w.key("snapshot2", RoleSnapshot)}, Revoke: []string{w.keys["snapshot"].ID}},
		Edit{Role: RoleTimestamp, Add: []Key{w.key("timestamp2", RoleTimestamp)}, Revoke: []string{w.keys["timestamp"].ID}})
	w.takes(1)
	r := w.open("publisher", "release", "snapshot2", "timestamp2")
	w.fill(r, 2)
	w.commit(r)
	w.takes(2)
}

// rotate changes roles with two root keys, and commits with all others. The first
// root signs, then the second, as if on two machines.
func (w *world) rotate(first, second string, edits ...Edit) {
	w.t.Helper()
	online := []string{"publisher", "release"}
	for n := range w.keys {
		if strings.HasPrefix(n, "snapshot") || strings.HasPrefix(n, "timestamp") || strings.HasPrefix(n, "publisher") || strings.HasPrefix(n, "release") {
			online = append(online, n)
		}
	}
	p, err := w.open(first).Propose(edits)
	w.ok(err)
	w.ok(w.open(second).Sign(p))
	r := w.open(online...)
	w.ok(r.Accept(p))
	w.commit(r)
}

func TestAStolenReleaseKeyMakesNoVersions(t *testing.T) {
	w := newWorld(t)
	w.takes(1)
	thief := w.open("release", "snapshot", "timestamp")
	if err := thief.SetVersions([]Version{version(66)}); err == nil {
		t.Fatal("the thief signed versions")
	}
	forged := metadata.Targets(w.now.Add(day))
	forged.Signed.Version = 2
	target, err := version(66).target()
	w.ok(err)
	forged.Signed.Targets[packPath("levels", "66")] = target
	_, err = sign(forged, w.hold("release"), []string{w.keys["release"].ID})
	w.ok(err)
	thief.delegated[RolePublisher], thief.dirty[RolePublisher] = forged, true
	w.ok(thief.SetManifest("production", manifest(66)))
	w.commit(thief)
	w.refuses(asset.CodeSignature, 1)
}

func TestAManifestMayNameOnlyWhatThePublisherSigned(t *testing.T) {
	w := newWorld(t)
	thief := w.open("release", "snapshot", "timestamp")
	w.ok(thief.SetManifest("production", manifest(2)))
	w.commit(thief)
	p, err := w.client().Refresh(context.Background())
	w.ok(err)
	if err := p.Vouch(version(2)); !errors.Is(err, asset.Sentinel(asset.CodeSignature)) {
		t.Errorf("a version that nobody signed: %v", err)
	}
	other := version(1)
	other.Content[0]++
	if err := p.Vouch(other); !errors.Is(err, asset.Sentinel(asset.CodeSignature)) {
		t.Errorf("other content under a signed version: %v", err)
	}
}

func TestAReleaseKeyOfOneContextDoesNotReleaseInAnother(t *testing.T) {
	w := newWorld(t)
	w.takes(1)
	internal := ReleaseRole("internal")
	w.rotate("root2", "root3", Edit{Role: internal, Add: []Key{w.key("release-internal", internal)}})
	w.takes(1)
	thief := w.open("release-internal", "snapshot", "timestamp")
	if err := thief.SetManifest("production", manifest(66)); err == nil {
		t.Fatal("the key of another context signed a manifest")
	}
	forged := metadata.Targets(w.now.Add(day))
	forged.Signed.Version = 2
	target, err := metadata.TargetFile().FromBytes(manifestPath("production"), manifest(66), "sha256")
	w.ok(err)
	forged.Signed.Targets[manifestPath("production")] = target
	_, err = sign(forged, w.hold("release-internal"), []string{w.keys["release-internal"].ID})
	w.ok(err)
	thief.delegated[ReleaseRole("production")], thief.dirty[ReleaseRole("production")] = forged, true
	w.commit(thief)
	w.refuses(asset.CodeSignature, 1)
}

func TestAStolenPublisherKeyIsRevoked(t *testing.T) {
	w := newWorld(t)
	w.takes(1)
	w.rotate("root1", "root3", Edit{Role: RolePublisher, Add: []Key{w.key("publisher2", RolePublisher)}, Revoke: []string{w.keys["publisher"].ID[:12]}})
	w.takes(1)
	if err := w.open("publisher", "release", "snapshot", "timestamp").SetVersions([]Version{version(66)}); err == nil {
		t.Fatal("the revoked key still signs")
	}
	r := w.open("publisher2", "release", "snapshot", "timestamp")
	w.fill(r, 2)
	w.commit(r)
	w.takes(2)
}

func TestOneRootKeyOfTwoRequiredChangesNothing(t *testing.T) {
	w := newWorld(t)
	r := w.open("root1", "publisher", "release", "snapshot", "timestamp")
	p, err := r.Propose([]Edit{{Role: RolePublisher, Add: []Key{w.key("thief", RolePublisher)}}})
	w.ok(err)
	if err := r.Accept(p); !errors.Is(err, asset.Sentinel(asset.CodeSignature)) {
		t.Errorf("one signature was enough: %v", err)
	}
}

func TestARootWithoutThresholdIsRefused(t *testing.T) {
	w := newWorld(t)
	w.takes(1)
	root, err := metadata.Root().FromBytes(w.root)
	w.ok(err)
	root.Signed.Version = 2
	root.Signed.Roles[metadata.TIMESTAMP].Threshold = 0
	root.ClearSignatures()
	_, err = sign(root, w.hold("root1", "root2"), []string{w.keys["root1"].ID, w.keys["root2"].ID})
	w.ok(err)
	b, err := root.ToBytes(false)
	w.ok(err)
	w.publish(2)
	w.site.files[versionedFile(RoleRoot, 2)] = b
	w.refuses(asset.CodeSignature, 1)
}

func TestNoKeyMayServeBothTiers(t *testing.T) {
	w := newWorld(t)
	_, err := w.open("root1", "root2").Propose([]Edit{{Role: ReleaseRole("production"), Add: w.hold("publisher")}})
	if err == nil {
		t.Error("the publisher's key became a release key")
	}
}

// stride between damaged bytes; the soak damages every one.
var stride = 29

func TestADamagedDocumentNeverPassesAndNeverPanics(t *testing.T) {
	w := newWorld(t)
	w.takes(1)
	start, err := w.client().load()
	w.ok(err)
	w.rotate("root1", "root2", Edit{Role: RoleTimestamp, Add: []Key{w.key("timestamp2", RoleTimestamp)}})
	w.publish(2)
	for _, name := range []string{"trust/2.root.json", "trust/timestamp.json", "trust/3.snapshot.json", "trust/2.publisher.json", "trust/2.release-production.json"} {
		honest := w.site.files[name]
		if honest == nil {
			t.Fatalf("the site has no %s, but %v", name, w.site.names())
		}
		for i := 0; i < len(honest); i += stride {
			bad := slices.Clone(honest)
			bad[i] ^= 1 << (i % 7)
			w.site.tamper = func(n string, _ []byte) ([]byte, bool) { return bad, n == name }
			w.ok(w.client().save(start))
			p, err := w.client().Refresh(context.Background())
			if err == nil && string(p.Manifest) != string(manifest(2)) {
				t.Fatalf("%s with byte %d wrong gave %s", name, i, p.Manifest)
			}
			if code := asset.CodeOf(err); err != nil && code != asset.CodeSignature && code != asset.CodeExpiredMetadata {
				t.Fatalf("%s with byte %d wrong: %v", name, i, err)
			}
		}
	}
}

func TestADeviceThatSleptFollowsTheRootsThatChangedTwoOfThreeKeys(t *testing.T) {
	w := newWorld(t)
	w.takes(1)
	w.now = w.now.Add(100 * day)
	w.rotate("root2", "root3", Edit{Role: RoleRoot, Add: []Key{w.key("root4", RoleRoot)}, Revoke: []string{w.keys["root1"].ID}})
	w.now = w.now.Add(150 * day)
	p, err := w.open("root3").Propose([]Edit{{Role: RoleRoot, Add: []Key{w.key("root5", RoleRoot)}, Revoke: []string{w.keys["root2"].ID}}})
	w.ok(err)
	w.ok(w.open("root4").Sign(p))
	r := w.open("publisher", "release", "snapshot", "timestamp", "root4", "root5")
	w.ok(r.Accept(p))
	w.fill(r, 2)
	w.commit(r)
	w.now = w.now.Add(150 * day)
	w.publish(2)
	w.takes(2)
	if p, err := w.client().Known(); err != nil || p.Signed.Root != 3 {
		t.Errorf("the device stands at root %v, %v", p, err)
	}
}

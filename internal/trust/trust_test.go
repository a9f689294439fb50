package trust

import (
	"context"
	"errors"
	"strings"
	"testing"

	"larder/asset"
	"larder/internal/fsx"
)

func TestADeviceTakesWhatBothTiersSigned(t *testing.T) {
	w := newWorld(t)
	w.has(0)
	if p := w.takes(1); !p.Changed || len(p.Signed.Publisher) != 1 || p.Signed.Publisher[0] != w.keys["publisher"].ID || p.Signed.Expired {
		t.Errorf("the first check says %+v", p.Signed)
	}
	w.publish(2)
	if p := w.takes(2); !p.Changed {
		t.Error("a new version is no change")
	}
	if err := errOf(w.client().Known())(version(1)); !errors.Is(err, asset.Sentinel(asset.CodeSignature)) {
		t.Errorf("the version before is still vouched for: %v", err)
	}
}

func errOf(p *Proven, err error) func(Version) error {
	return func(v Version) error {
		if err != nil {
			return err
		}
		return p.Vouch(v)
	}
}

func TestAnIdleCheckIsOneRequestWithoutABody(t *testing.T) {
	w := newWorld(t)
	w.takes(1)
	w.site.asked, w.site.bytes = nil, 0
	if p := w.takes(1); p.Changed || p.Signed.Bytes != 0 {
		t.Errorf("nothing changed, and the check says %+v", p)
	}
	if len(w.site.asked) != 1 || w.site.bytes != 0 {
		t.Errorf("an idle check asked for %v, %d bytes", w.site.asked, w.site.bytes)
	}
}

func TestAnUpdateCostsLittleMetadata(t *testing.T) {
	w := newWorld(t)
	w.takes(1)
	w.publish(2)
	p := w.takes(2)
	t.Logf("metadata of an update: %d bytes", p.Signed.Bytes)
	if p.Signed.Bytes > 10<<10 {
		t.Errorf("an update of one pack took %d bytes of metadata", p.Signed.Bytes)
	}
}

func TestAManifestAtHandIsNotFetchedAgain(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	c.Offer = manifest(1)
	_, err := c.Refresh(context.Background())
	w.ok(err)
	w.has(1)
	for _, name := range w.site.asked {
		if strings.Contains(name, "manifest") {
			t.Errorf("the device asked for %s", name)
		}
	}
	w.publish(2)
	c = w.client()
	c.Offer = manifest(66)
	_, err = c.Refresh(context.Background())
	w.ok(err)
	w.has(2)
}

func TestTheReleaseKeyAloneCanRelease(t *testing.T) {
	w := newWorld(t)
	r := w.open("publisher", "snapshot", "timestamp")
	w.ok(r.SetVersions([]Version{version(1), version(2)}))
	w.commit(r)
	w.takes(1)
	r = w.open("release", "snapshot", "timestamp")
	w.ok(r.SetManifest("production", manifest(2)))
	w.commit(r)
	w.takes(2)
}

func TestWithoutTheKeyNothingIsSigned(t *testing.T) {
	w := newWorld(t)
	r := w.open("release", "snapshot", "timestamp")
	err := r.SetVersions([]Version{version(2)})
	if !errors.Is(err, asset.Sentinel(asset.CodeSignature)) {
		t.Fatalf("versions were signed without the publisher's key: %v", err)
	}
	t.Log(err)
	w.commit(r)
	w.takes(1)
}

func TestOnlineKeysRefreshWhatIsAboutToExpire(t *testing.T) {
	w := newWorld(t)
	w.takes(1)
	w.now = w.now.Add(89 * day)
	w.takes(1)
	w.now = w.now.Add(2 * day)
	w.refuses(asset.CodeExpiredMetadata, 1)
	w.commit(w.open("snapshot", "timestamp"))
	w.takes(1)
	w.now = w.now.Add(150 * day) // releases are past half their year
	w.commit(w.open("snapshot", "timestamp", "release"))
	w.now = w.now.Add(80 * day)
	w.commit(w.open("snapshot", "timestamp"))
	w.now = w.now.Add(80 * day)
	w.takes(1)
}

func TestAClockYearsBehindDoesNotHideExpiry(t *testing.T) {
	w := newWorld(t)
	w.takes(1)
	w.now = w.now.Add(365 * day)
	w.publish(2)
	w.takes(2)
	stale := w.site.copy()
	w.now = w.now.Add(200 * day)
	w.publish(3)
	w.takes(3)
	w.now = spring.Add(-10 * 365 * day)
	w.takes(3)
	w.site.files = stale
	w.refuses(asset.CodeSignature, 3)
}

func TestAClockYearsAheadStopsChangesAndHealsWhenItIsSet(t *testing.T) {
	w := newWorld(t)
	w.takes(1)
	w.publish(2)
	w.now = w.now.Add(20 * 365 * day)
	w.refuses(asset.CodeExpiredMetadata, 1)
	w.now = spring
	w.takes(2)
}

func TestKeyFilesAreSealedByAPassphrase(t *testing.T) {
	word := []byte("correct horse")
	ring := Keyring{Dir: t.TempDir(), Disk: fsx.OS(), Passphrase: func(string) ([]byte, error) { return word, nil }}
	made, err := ring.Generate(RolePublisher)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ring.Keys()
	if err != nil || len(keys) != 1 || keys[0].ID != made.ID || keys[0].Role != RolePublisher {
		t.Fatalf("read back: %+v, %v", keys, err)
	}
	word = []byte("wrong")
	if _, err := ring.Keys(); !errors.Is(err, asset.Sentinel(asset.CodeBadRequest)) {
		t.Errorf("a wrong passphrase: %v", err)
	}
}

func TestAnUpdatedBundleBringsANewAnchor(t *testing.T) {
	w := newWorld(t)
	w.takes(1)
	other := newWorld(t) // all keys were lost; the new version of the app has new ones
	other.dir, other.disk, other.now = w.dir, w.disk, w.now
	other.publish(2)
	other.takes(2)
}

func TestACancelledContextEndsTheCheck(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := w.client()
	c.Fetcher = cancelled{}
	if _, err := c.Refresh(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

type cancelled struct{}

func (cancelled) Fetch(ctx context.Context, _ string, _ int64, _ string) (Document, error) {
	return Document{}, ctx.Err()
}

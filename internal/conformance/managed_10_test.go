package conformance

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"testing"

	"larder/asset"
	"larder/client"
	"larder/internal/localapi"
	"larder/internal/site"
)

func TestManaged_10_OwnServerWithoutCeremony(t *testing.T) {
	row(t, "managed §10", "Packs can't be tried without a certificate ceremony, and the URL override is lost or stale after a restart", "\"larder serve\" is plain HTTP on this machine; the override is a setting of the app, kept until it is cleared, and shown by status")
	w := newWorld(t)
	s := newShop(t, w)
	s.sell("level", 1, onDemand, files{"l.txt": "l"})
	s.opened()
	url := s.server.URL
	if _, err := w.owner.SetAppSettings(t.Context(), s.id, localapi.AppSettingsChange{URLOverride: &url}); err != nil {
		t.Fatal(err)
	}
	w.restart(t)
	if got, err := w.owner.AppSettings(t.Context(), s.id); err != nil || got.URLOverride != url {
		t.Errorf("after a restart: %+v, %v", got, err)
	}
	s.ensure(s.manages(), "level")
}

func TestManaged_10_DirectoriesAreFoundAndListed(t *testing.T) {
	row(t, "managed §10", "url succeeds for absent paths; there is no way to list or find a pack's directory", "absent is an error; FS lists the tree of all packs, and an open may be limited to one")
	s := newShop(t, shared(t))
	s.sell("one", 1, essential, files{"d/1.txt": "1"})
	s.sell("two", 1, essential, files{"d/2.txt": "2"})
	s.opened()
	m := s.manages()
	if list, err := fs.ReadDir(m.FS(), "d"); err != nil || len(list) != 2 {
		t.Error(list, err)
	}
	if _, err := m.URL("absent", client.In{}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestManaged_10_LibrariesGetPaths(t *testing.T) {
	row(t, "managed §10", "Libraries that want paths force apps to copy files out, which doubles the storage", "Path gives the file itself, which stays as it is while the process runs")
	s := newShop(t, shared(t))
	s.sell("level", 1, essential, files{"l.txt": "old"})
	s.opened()
	m := s.manages()
	name, err := m.Path("l.txt", client.In{})
	if err != nil {
		t.Fatal(err)
	}
	s.issues(m, "level", 2, essential, files{"l.txt": "new"})
	if text, err := os.ReadFile(name); err != nil || string(text) != "old" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestManaged_10_WhatAnotherPackHasIsNotFetched(t *testing.T) {
	row(t, "managed §10", "No de-duplication across packs", "installed files of all packs of the app serve as old bytes, also under other names")
	s := newShop(t, shared(t))
	big := string(noise(3 << 20))
	s.sell("one", 1, essential, files{"one.bin": big})
	s.sell("two", 1, onDemand, files{"two.bin": big})
	s.opened()
	s.server.ResetLog()
	s.ensure(s.manages(), "two")
	if sent := s.sent(); sent > 64<<10 {
		t.Errorf("%d bytes were sent", sent)
	}
	s.reads(s.manages(), "two.bin", big)
}

func TestManaged_10_IdentifiersAreHeldToOneRule(t *testing.T) {
	row(t, "managed §10", "Which characters an ID may have is undocumented, and found out after packaging", "letters, digits and hyphens, at most 100, everywhere, and told by the packer with the line")
	for id, good := range map[string]bool{"level-2": true, "level.2": false, "level_2": false, "": false, "é": false} {
		_, err := asset.ParsePackID(id)
		if (err == nil) != good {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestManaged_10_OldAppVersionsKeepTheirPacks(t *testing.T) {
	row(t, "managed §10", "A new pack version hits old app versions too; there is no pin", "appVersions in the manifest says which builds a version fits (1008 where none does); several may be live")
	s := newShop(t, shared(t))
	one := s.sell("level", 1, essential, files{"l.txt": "1"}, func(p *asset.Pack) { p.AppVersions = &asset.AppVersions{Below: "2"} })
	s.opened()
	s.sell("level", 2, essential, files{"l.txt": "2"}, func(p *asset.Pack) { p.AppVersions = &asset.AppVersions{Minimum: "2"} })
	only := s.packs
	s.packs = append(s.packs, one)
	s.publish()
	m := s.manages()
	if updating, removed := s.checks(m); len(updating)+len(removed) > 0 {
		t.Error(updating, removed)
	}
	s.packs = only
	s.publish()
	if updating, removed := s.checks(m); len(updating)+len(removed) > 0 {
		t.Error("without a version for this app", updating, removed)
	}
	s.reads(m, "l.txt", "1")
	wantCode(t, "require the latest", m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{RequireLatestVersions: true}, "level"), asset.CodeDoesNotFit)
}

func TestManaged_10_AMissingEssentialPackIsTold(t *testing.T) {
	row(t, "managed §10", "An essential pack is absent at the first launch, and nobody says why", "the gate's reason says which failed and why, and the app's local status says that it is not there")
	s := newShop(t, shared(t))
	s.sell("must", 1, essential, files{"m.txt": "m"}, func(p *asset.Pack) { p.URL += "-gone" })
	p := s.opened()
	s.wantGate(p.Gate, asset.WhyEssential)
	if !contains(p.Gate.Reason.Message, "404") {
		t.Errorf("it says %q", p.Gate.Reason.Message)
	}
	if s.manages().IsAvailableLocally("must") {
		t.Error("it is there")
	}
}

func TestManaged_10_ThePackerIsReproducible(t *testing.T) {
	row(t, "managed §10", "ba-package is not reproducible, and resolves paths against the working directory", "the same input gives the same bytes, anywhere and at any time; paths are relative to the manifest")
	one, _ := built(t, files{"a.txt": "a"})
	two, _ := built(t, files{"a.txt": "a"})
	if !bytes.Equal(one, two) {
		t.Error("two packs of the same file differ")
	}
}

func TestManaged_10_TheProtocolIsDocumented(t *testing.T) {
	row(t, "managed §10", "The self-hosted protocol and the manifest's schema are undocumented", "doc/site-format.md and a JSON Schema, which a test holds against what is read")
	for _, name := range []string{"../../doc/site-format.md", "../../doc/download-manifest.schema.json"} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := site.Read([]byte(`{"assetPacks": [{"id": "a", "url": "b"}]}`), "https://example.com/m.json"); err == nil {
		t.Error("what the schema refuses was read")
	}
}

func TestManaged_10_DamageIsFound(t *testing.T) {
	row(t, "managed §10", "No integrity check of contents", "each byte is proved on its way; a server that damages one has it fetched again, or is told 1002 of")
	s := newShop(t, shared(t))
	good := s.sell("level", 1, onDemand, files{"l.bin": string(noise(1 << 20))})
	other := s.sell("other", 1, onDemand, files{"l.bin": string(noise(1<<20-1)) + "x"})
	s.drop("other")
	s.packs[0].URL = other.URL // frames are another's, the index is right no more
	s.opened()
	wantCode(t, "ensure", s.manages().EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "level"), asset.CodeHashMismatch)
	s.packs[0].URL = good.URL
	s.publish()
	if _, err := s.manages().StatusRelativeTo(t.Context(), client.AssetPack{}); err != nil {
		t.Fatal(err)
	}
	s.ensure(s.manages(), "level")
}

func TestManaged_10_ReadingNeverFailsForAMoment(t *testing.T) {
	row(t, "managed §10", "For a moment after a pack changes, reading fails with 513", "readers go on with what they began with; a refresh moves them in one step")
	s := newShop(t, shared(t))
	s.sell("level", 1, essential, files{"l.txt": "1"})
	s.opened()
	m := s.manages()
	for v := int64(2); v < 6; v++ {
		s.sell("level", v, essential, files{"l.txt": "1"})
		s.publish()
		s.checks(m)
		done := false
		for !done {
			v2, err := m.LocalVersion("level")
			if err != nil {
				t.Fatal(err)
			}
			done = v2 == v
			if _, err := m.Refresh(); err != nil {
				t.Fatal(err)
			}
			s.reads(m, "l.txt", "1")
		}
	}
}

func TestManaged_10_EnsureAndTheDiskAgree(t *testing.T) {
	row(t, "managed §10", "ensure reports failure though the files are there", "an error is about that pack, and the local status says the same as ensure")
	s := newShop(t, shared(t))
	s.sell("good", 1, onDemand, files{"g.txt": "g"})
	s.sell("bad", 1, onDemand, files{"b.txt": "b"}, func(p *asset.Pack) { p.URL += "-gone" })
	s.opened()
	m := s.manages()
	for _, id := range []asset.PackID{"good", "bad"} {
		err := m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, id)
		if (err == nil) != m.IsAvailableLocally(id) {
			t.Errorf("%s: %v, and it is there: %v", id, err, m.IsAvailableLocally(id))
		}
	}
}

func TestManaged_10_ACancelledPackCanBeHadAgain(t *testing.T) {
	row(t, "managed §10", "A second cancel of a new attempt fails", "a pack may be removed while it comes, as often as one likes, and ensured again")
	s := newShop(t, shared(t))
	s.sell("level", 1, onDemand, files{"l.bin": string(noise(8 << 20))})
	s.opened()
	m := s.manages()
	s.server.SetRate(1 << 20)
	for range 2 {
		ended := make(chan error, 1)
		go func() { ended <- m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "level") }()
		s.until("it comes", func(st asset.AppStatus) bool {
			return len(st.Packs) == 1 && st.Packs[0].Status.Has(asset.PackDownloading)
		})
		if err := m.Remove(t.Context(), "level"); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; asset.CodeOf(err) != asset.CodeCancelled {
			t.Errorf("who waited hears %v", err)
		}
	}
	s.server.SetRate(0)
	s.ensure(m, "level")
}

package service

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/publish"
	"larder/internal/site"
	"larder/internal/trust"
)

const year = 365 * 24 * time.Hour

// stocked is a device that has what the developer released as "one".
func stocked(t *testing.T, before ...func(*maker)) *maker {
	t.Helper()
	return stockedWith(t, "one", before...)
}

func stockedWith(t *testing.T, word string, before ...func(*maker)) *maker {
	t.Helper()
	w := newWorld(t)
	w.start()
	m := w.maker()
	for _, f := range before {
		f(m)
	}
	m.release(word)
	if p := m.install(); p.Gate.Reason.Code != asset.WhyReady {
		t.Fatalf("ended as %s", pretty(p))
	}
	m.word(word)
	return m
}

// refused looks for updates and wants that fault, told in a sentence, with all as it was.
func (m *maker) refused(what string, code asset.Code, word string) {
	m.Helper()
	err := m.checked()
	if e := asset.AsError(err); !errors.Is(err, asset.Sentinel(code)) || e.Message == "" || e.Help == "" {
		m.Errorf("%s: %v, not %d", what, err, code)
	}
	m.word(word)
}

func (m *maker) follows(what, word string) {
	m.Helper()
	if err := m.checked(); err != nil {
		m.Fatalf("%s: %v", what, err)
	}
	m.until2(word)
}

// instead has devices read another folder.
func (m *maker) instead(dir string) {
	m.lie(func(rw http.ResponseWriter, path string) bool {
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(path, site.Prefix))))
		if err != nil {
			http.Error(rw, "none", http.StatusNotFound)
			return true
		}
		return wrote(rw, b)
	})
}

// fork copies the site as it is, for a thief.
func (m *maker) fork() publish.Folder {
	m.Helper()
	dir := m.TempDir()
	if err := os.CopyFS(dir, os.DirFS(m.to.Dir)); err != nil {
		m.Fatal(err)
	}
	return publish.Folder{Dir: dir, Disk: fsx.OS()}
}

// steal gives the private keys of some roles.
func (m *maker) steal(roles ...trust.Role) (keys []trust.Key) {
	m.Helper()
	s, err := m.keys.Signing(m.Context())
	if err != nil {
		m.Fatal(err)
	}
	for _, k := range s.Keys {
		if slices.Contains(roles, k.Role) {
			keys = append(keys, k)
		}
	}
	return keys
}

// repository opens a site with some keys.
func (m *maker) repository(at publish.Folder, keys []trust.Key) *trust.Repository {
	m.Helper()
	root, err := os.ReadFile(m.keys.Root())
	if err != nil {
		m.Fatal(err)
	}
	r, err := trust.OpenRepository(func(name string, limit int64) ([]byte, error) {
		return at.Get(m.Context(), site.AppPath(game, name), limit)
	},
		root, keys, m.life, time.Now().Add(m.late))
	if err != nil {
		m.Fatal(err)
	}
	return r
}

func (m *maker) write2(at publish.Folder, r *trust.Repository) {
	m.Helper()
	files, err := r.Files()
	if err != nil {
		m.Fatal(err)
	}
	for _, f := range files {
		m.write(filepath.Join(at.Dir, filepath.FromSlash(site.AppPath(game, f.Name))), f.Bytes, 0o644)
	}
}

// rotate replaces the key of a role.
func (m *maker) rotate(roles ...trust.Role) {
	m.Helper()
	var edits []trust.Edit
	for _, role := range roles {
		k, err := m.keys.Generate(role)
		if err != nil {
			m.Fatal(err)
		}
		e := trust.Edit{Role: role, Add: []trust.Key{k}}
		for _, h := range m.repository(m.to, nil).Holders() {
			if h.Role == role {
				e.Revoke = append(e.Revoke, h.Keys[0].ID)
			}
		}
		edits = append(edits, e)
	}
	c, err := publish.Change(m.Context(), m.to, game, m.keys, time.Now().Add(m.late))
	if err != nil {
		m.Fatal(err)
	}
	p, err := c.Propose(edits)
	if err := errors.Join(err, c.Accept(p), c.Commit(m.Context())); err != nil {
		m.Fatal(err)
	}
}

// Whoever has the release key, snapshot and timestamp has the build machine, and can make
// no version of a pack.
func TestAStolenReleaseKeyBringsNothingOntoADevice(t *testing.T) {
	m := stocked(t)
	online := m.steal(trust.ReleaseRole("production"), trust.RoleSnapshot, trust.RoleTimestamp)
	for what, change := range map[string]func(*asset.Pack){
		"a version that nobody signed":          func(p *asset.Pack) { p.Version = 66 },
		"other content under a signed version":  func(p *asset.Pack) { p.Content = strings.Repeat("66", 32) },
		"another index under a signed version":  func(p *asset.Pack) { p.Index = strings.Repeat("66", 32) },
		"the content of one pack as another's":  func(p *asset.Pack) { p.ID = "other" },
		"a pack whose content it does not name": func(p *asset.Pack) { p.Content, p.Index, p.IndexSize = "", "", 0 },
	} {
		forged := m.fork()
		all := m.manifestOfSite()
		change(&all.Packs[0])
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		r := m.repository(forged, online)
		if err := r.SetManifest("production", text); err != nil {
			t.Fatal(err)
		}
		m.write2(forged, r)
		m.instead(forged.Dir)
		m.refused(what, asset.CodeSignature, "one")
		m.refused(what+", asked again", asset.CodeSignature, "one")
	}
	// The thief's numbers are above the developer's now: new keys for what was stolen mend that.
	m.lie(nil)
	m.rotate(trust.ReleaseRole("production"), trust.RoleSnapshot, trust.RoleTimestamp)
	m.release("two")
	m.follows("after new keys", "two")
}

// A thief of the online keys runs ahead with the numbers, so that what the developer publishes looks old.
func TestAFastForwardIsHealedOnADevice(t *testing.T) {
	m := stocked(t)
	thief := m.fork()
	online := m.steal(trust.RoleSnapshot, trust.RoleTimestamp, trust.ReleaseRole("production"))
	for range 20 {
		m.write2(thief, m.repository(thief, online))
	}
	m.instead(thief.Dir)
	m.follows("the thief's", "one")
	m.lie(nil)
	m.release("two")
	m.refused("the developer's, which looks old", asset.CodeSignature, "one")
	m.rotate(trust.RoleSnapshot, trust.RoleTimestamp)
	m.follows("after new keys", "two")
}

func TestAStolenPublisherKeyIsWorthNothingOnceItIsRevoked(t *testing.T) {
	m := stocked(t)
	all := m.steal(trust.RolePublisher, trust.RoleSnapshot, trust.RoleTimestamp, trust.ReleaseRole("production"))
	thief := m.fork()
	m.rotate(trust.RolePublisher)
	m.release("two")
	m.follows("with the new key", "two")

	s := &publish.Signing{Keys: all}
	var err error
	if s.Root, err = os.ReadFile(m.keys.Root()); err != nil {
		t.Fatal(err)
	}
	publishes := func(at publish.Folder, word string) error {
		m.write(filepath.Join(m.dir, "level", "word.txt"), []byte(word), 0o644)
		_, err := publish.Publish(t.Context(), publish.Options{To: at, App: game, Context: "production", Inputs: []string{filepath.Join(m.dir, "level.json")},
			Signing: s, Scratch: t.TempDir(), Now: time.Now()})
		return err
	}
	if err := publishes(m.fork(), "evil"); !errors.Is(err, asset.Sentinel(asset.CodeSignature)) {
		t.Errorf("the revoked key still signs: %v", err)
	}
	for n := range 8 { // on the site as it was before, until its numbers are the higher ones
		if err := publishes(thief, "evil "+string(rune('a'+n))); err != nil {
			t.Fatal(err)
		}
	}
	m.instead(thief.Dir)
	m.refused("the thief's branch", asset.CodeSignature, "two")
}

// changing are the documents that a device reads for an update, by how their names end.
var changing = []string{".root.json", "/timestamp.json", ".snapshot.json", ".publisher.json", ".release-production.json", ".manifest.json"}

// damaged has a device look for updates while one document comes with a byte altered, or cut there. place
// says where in a document of that size; size is that of what the device asked for, 0 if it did not.
func (m *maker) damaged(kind string, cut bool, place func(size int) int) (size int) {
	m.Helper()
	var at, length atomic.Int64
	m.lie(func(rw http.ResponseWriter, path string) bool {
		b, err := os.ReadFile(filepath.Join(m.to.Dir, filepath.FromSlash(strings.TrimPrefix(path, site.Prefix))))
		if err != nil || !strings.HasSuffix(path, kind) {
			return false
		}
		n := place(len(b))
		at.Store(int64(n))
		length.Store(int64(len(b)))
		if cut {
			return wrote(rw, b[:n])
		}
		b[n] ^= 1 << (n % 7)
		return wrote(rw, b)
	})
	err := m.checked()
	m.lie(nil)
	what := fmt.Sprintf("%s, damaged at %d of %d (cut: %v)", kind, at.Load(), length.Load(), cut)
	if code := asset.CodeOf(err); err != nil && (code != asset.CodeSignature && code != asset.CodeExpiredMetadata || asset.AsError(err).Message == "") {
		m.Errorf("%s: %v", what, err)
	}
	if got := m.onShelfOf(game, "level/word.txt"); !strings.HasPrefix(got, "honest ") {
		m.Fatalf("%s: the app reads %q", what, got)
	}
	if err == nil { // it took the honest rest, or had nothing to ask: there is news for the next time
		if kind == ".root.json" {
			m.rotate(trust.RoleTimestamp)
		}
		m.releases++
		m.release(fmt.Sprint("honest ", m.releases))
	}
	return int(length.Load())
}

// Any document of the site, damaged somewhere as on a disk that rots or is tampered with, or cut short. The soak
// goes to every byte.
func TestADamagedSiteChangesNothing(t *testing.T) {
	m := stockedWith(t, "honest 0")
	m.rotate(trust.RoleTimestamp) // so that there is a root to follow
	m.release("honest and new")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for _, kind := range changing {
		asked := 0
		for n := range 8 {
			share := random.Float64()
			if m.damaged(kind, n%2 == 1, func(size int) int { return int(share * float64(size)) }) > 0 {
				asked++
			}
		}
		if asked == 0 {
			t.Errorf("no device asked for %s", kind)
		}
	}
	m.release("the end")
	m.follows("the site, mended", "the end")
}

// forged makes a root that the present root's keys signed, as one who stole them all might.
func (m *maker) forged(change func(root map[string]any)) []byte {
	m.Helper()
	text, err := os.ReadFile(m.keys.Root())
	if err != nil {
		m.Fatal(err)
	}
	var doc struct {
		Signatures []map[string]any `json:"signatures"`
		Signed     map[string]any   `json:"signed"`
	}
	from := json.NewDecoder(bytes.NewReader(text))
	from.UseNumber()
	if err := from.Decode(&doc); err != nil {
		m.Fatal(err)
	}
	change(doc.Signed)
	signed, err := json.Marshal(doc.Signed) // canonical: its members are sorted, and no text of it needs escapes
	if err != nil {
		m.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(m.keys.Dir, "root-*.pem"))
	if err != nil || len(files) != 1 {
		m.Fatal(files, err)
	}
	key, err := os.ReadFile(files[0])
	if err != nil {
		m.Fatal(err)
	}
	block, _ := pem.Decode(key)
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		m.Fatal(err)
	}
	doc.Signatures[0]["sig"] = hex.EncodeToString(ed25519.Sign(private.(ed25519.PrivateKey), signed))
	text, err = json.Marshal(doc)
	if err != nil {
		m.Fatal(err)
	}
	return text
}

// A root that asks for nobody's signature is no root, whoever signed it.
func TestARootThatAsksForNoSignatureIsRefusedByADevice(t *testing.T) {
	m := stocked(t)
	sound := m.forged(func(root map[string]any) { root["version"] = 2 })
	show := func(next []byte) {
		m.lie(func(rw http.ResponseWriter, path string) bool {
			return strings.HasSuffix(path, "/2.root.json") && wrote(rw, sound) || next != nil && strings.HasSuffix(path, "/3.root.json") && wrote(rw, next)
		})
	}
	show(nil)
	m.release("two")
	m.follows("a sound root that is signed so", "two")
	m.release("three")
	for _, role := range []string{"root", "targets", "snapshot", "timestamp"} {
		show(m.forged(func(root map[string]any) {
			root["version"] = 3
			root["roles"].(map[string]any)[role].(map[string]any)["threshold"] = 0
		}))
		m.refused("a threshold of 0 for "+role, asset.CodeSignature, "two")
	}
}

// The device's clock is years off, which is as if the developer's were.
func TestAClockYearsOffStopsChangesAtMost(t *testing.T) {
	t.Run("behind", func(t *testing.T) {
		m := stocked(t, func(m *maker) { m.late = 2 * year })
		m.release("two")
		m.follows("from a time to come", "two")
		m.late += year / 4
		m.release("three")
		m.follows("and later", "three")
	})
	t.Run("ahead", func(t *testing.T) {
		m := stocked(t)
		m.late = -5 * year
		m.release("two")
		m.refused("what has run out by the device's clock", asset.CodeExpiredMetadata, "one")
		m.late = 0
		m.release("three")
		m.follows("when the clock is right again", "three")
	})
}

// While a device slept for 400 days, two of three root keys changed hands, one after the other.
func TestADeviceThatSleptFollowsWhoChangedTwoOfThreeRootKeys(t *testing.T) {
	m := stocked(t, func(m *maker) {
		m.keys = publish.KeyDir{Dir: filepath.Join(m.dir, "three")}
		if _, err := m.keys.Init(t.Context(), publish.Plan{RootKeys: 3, Threshold: 2, Contexts: publish.Contexts}, trust.Lifetimes{}, time.Now()); err != nil {
			t.Fatal(err)
		}
	})
	m.late = year / 3
	m.rotate(trust.RoleRoot)
	m.late = 2 * year / 3
	m.rotate(trust.RoleRoot)
	m.late = 400 * 24 * time.Hour
	m.release("two")
	m.follows("after 400 days", "two")
	if v := m.repository(m.to, nil).Holders()[0]; v.Threshold != 2 || len(v.Keys) != 3 {
		t.Errorf("the root is held by %+v", v)
	}
}

//go:build unix

package host

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/host/access"
	"larder/internal/host/api"
	"larder/internal/host/catalog"
	"larder/internal/host/process"
	"larder/internal/site"
	"larder/internal/trust"
	"larder/pack"
)

// The test binary is also the host that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("LARDER_TEST_HOST"); dir != "" {
		if err := doomed(dir, os.Getenv("LARDER_TEST_DIE")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// hasty settings have the collector at work all the time.
var hasty = process.Settings{Grace: time.Nanosecond, Sweep: 150 * time.Millisecond}

// pause is between two looks at another process, which gives no event to wait for.
const pause = 30 * time.Millisecond

// doomed runs a host that dies, as by kill -9, the nth time that it comes to a point: "n point".
func doomed(dir, die string) error {
	n, point, _ := strings.Cut(die, " ")
	left, err := strconv.ParseInt(n, 10, 64)
	if err != nil {
		return err
	}
	var count atomic.Int64
	var t testing.T
	l := listen(&t)
	h, err := Open(context.Background(), Options{Dir: dir, Base: "http://" + l.Addr().String(), Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Settings: hasty,
		Limits: api.Limits{Part: 48 << 10, Hourly: 1 << 30},
		Admin: func(c access.Credential) error {
			secret, err := c.Secret()
			if err != nil {
				return err
			}
			return os.WriteFile(dir+".key", []byte(secret), 0o600)
		},
		At: func(p string) {
			if p == point && count.Add(1) == left {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}})
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return h.Run(context.Background(), l)
}

// mortal is a publisher whose host dies once.
type mortal struct {
	world
	cmd  *exec.Cmd
	died bool
}

// start starts a host.
func (m *mortal) start(die string) {
	m.t.Helper()
	m.cmd = exec.Command(os.Args[0])
	m.cmd.Env = append(os.Environ(), "LARDER_TEST_HOST="+m.dir, "LARDER_TEST_DIE="+die)
	m.cmd.Stderr = m.log
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	process := m.cmd.Process
	m.t.Cleanup(func() { _, _ = process.Kill(), m.cmd.Wait() }) // it is dead already when all went well
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil { // it died before it could say so
		m.bury()
		m.start("0 none")
		return
	}
	m.base = "http://" + strings.TrimSpace(line)
	secret, err := os.ReadFile(m.dir + ".key")
	if err == nil {
		m.admin, err = access.ParseSecret(string(secret))
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// bury waits for the end of a host that died by itself.
func (m *mortal) bury() {
	m.t.Helper()
	_ = m.cmd.Wait()
	if s, ok := m.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !s.Signaled() || s.Signal() != syscall.SIGKILL || m.died {
		m.t.Fatalf("the host ended by itself, %v:\n%s", m.cmd.ProcessState, m.log)
	}
	m.died = true
}

type brokeOff struct{ error }

// again does an idempotent step until it is done, and starts the host anew when it died under it.
func (m *mortal) again(step func()) {
	m.t.Helper()
	for m.once(step) != nil {
		m.bury()
		m.start("0 none")
	}
}

func (m *mortal) once(step func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case brokeOff:
			err = r
		default:
			panic(r)
		}
	}()
	step()
	return nil
}

// first is the ID of the first resource of a list, or what make makes.
func (m *mortal) first(list string, make func() string) (id string) {
	m.again(func() {
		_, out := m.ask("GET", list, nil)
		if all, _ := out["data"].([]any); len(all) > 0 {
			id = str(all[0], "id")
			return
		}
		id = make()
	})
	return id
}

func (m *mortal) pack(app, id string) string {
	return m.first("/v1/apps/"+app+"/backgroundAssets?filter[assetPackIdentifier]="+id, func() string { return m.newPack(app, id) })
}

// bring uploads files for the version with that number, and waits until it is settled.
func (m *mortal) bring(packID string, number int, files map[string][]byte) (version string) {
	list := fmt.Sprintf("/v1/backgroundAssets/%s/versions?filter[version]=%d", packID, number)
	version = m.first(list, func() string { return m.newVersion(packID) })
	for _, typ := range []string{"MANIFEST", "ASSET"} {
		data, ok := files[typ]
		if !ok {
			continue
		}
		id := ""
		m.again(func() { // an answer may have been lost: look whether the file is announced already
			_, out := m.ask("GET", "/v1/backgroundAssetVersions/"+version+"/backgroundAssetUploadFiles", nil)
			all, _ := out["data"].([]any)
			n := slices.IndexFunc(all, func(f any) bool { return str(f, "attributes.assetType") == typ })
			if n < 0 {
				all, n = []any{m.newFile(version, typ, "a", len(data))}, 0
			}
			id = str(all[n], "id")
			for _, op := range m.operations(all[n].(object)) {
				if at(op, "entityTag") != nil {
					continue
				}
				if status, text := m.send(op, data); status != 200 {
					m.t.Fatalf("a part: %d %s", status, text)
				}
			}
		})
		m.again(func() {
			m.must("PATCH", "/v1/backgroundAssetUploadFiles/"+id, entity("backgroundAssetUploadFiles", id, object{"uploaded": true}))
		})
	}
	m.again(func() {
		for {
			s := str(m.must("GET", "/v1/backgroundAssetVersions/"+version, nil), "attributes.state")
			if s == "COMPLETE" || s == "FAILED" {
				return
			}
			time.Sleep(pause)
		}
	})
	return version
}

// points are those at which something is half done: bytes without their row, a row without its
// blob, a site without the state that says so.
var points = []string{"part written", "file committed", "manifest noted", "file hashed", "blob named", "blob placed", "delta named", "delta placed",
	"keys made", "site written", "release changed", "revival ready", "release noted", "blob condemned", "blob removed"}

func TestKillingTheHostLosesNothingAndLeavesNothing(t *testing.T) { killing(t, points) }

func killing(t *testing.T, points []string) {
	one, two := map[string]string{"map.bin": noise(100 << 10), "x": "1"}, map[string]string{}
	maps.Copy(two, one)
	two["x"] = "2"
	first, second := build(t, "level", one), build(t, "level", two)
	damaged := slices.Clone(second)
	damaged[len(damaged)/2] ^= 1
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			t.Parallel() // they wait for the disk
			m := &mortal{world: world{t: t, dir: filepath.Join(t.TempDir(), "host"), log: &record{}, http: &http.Client{}}}
			m.onBreak = func(err error) { panic(brokeOff{err}) }
			m.start("1 " + point)
			app := m.first("/v1/apps", func() string { return m.newApp(bundle) })
			level := m.pack(app, "level")
			v1 := m.bring(level, 1, map[string][]byte{"ASSET": first, "MANIFEST": fmt.Appendf(nil, manifestOf, "level")})
			v2 := m.bring(level, 2, map[string][]byte{"ASSET": second})
			v3 := m.bring(level, 3, map[string][]byte{"ASSET": damaged})
			v4 := m.bring(level, 4, map[string][]byte{"MANIFEST": []byte("{")})
			for _, v := range []string{v1, v2} {
				m.again(func() { // 409: the answer to an earlier try was lost
					if status, out := m.ask("POST", "/larder/v1/promotions", promotion(v, "external")); status != 201 && status != 409 {
						t.Fatal(status, out)
					}
				})
				m.waits(v, "include=externalBetaRelease", "READY_FOR_TESTING")
			}
			v5 := m.first("/v1/backgroundAssets/"+level+"/versions?filter[version]=5", func() string {
				return str(m.must("POST", "/larder/v1/rollbacks", rollback(level, "external")), "id")
			})
			m.waits(v5, "include=externalBetaRelease", "READY_FOR_TESTING")
			other := m.pack(app, "other")
			m.bring(other, 1, map[string][]byte{"ASSET": build(t, "other", map[string]string{"y": noise(60 << 10)})})
			m.again(func() {
				m.must("PATCH", "/v1/backgroundAssets/"+other, entity("backgroundAssets", other, object{"archived": true}))
			})
			m.again(func() { // what dies in the collector dies by now
				for m.busy() {
					time.Sleep(pause)
					m.must("GET", "/v1/apps", nil)
				}
			})
			if !m.died {
				t.Fatalf("the host never came to %q", point)
			}
			if err := m.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = m.cmd.Wait()
			m.books(map[string]string{v1: "COMPLETE", v2: "COMPLETE", v3: "FAILED", v4: "FAILED", v5: "COMPLETE"}, level, other)
		})
	}
}

// waits waits until the release of a version that is included is in a state.
func (m *mortal) waits(version, query, state string) {
	m.again(func() {
		for {
			_, out := m.ask("GET", "/v1/backgroundAssetVersions/"+version+"?"+query, nil)
			if list, _ := out["included"].([]any); len(list) == 1 && str(list[0], "attributes.state") == state {
				return
			}
			time.Sleep(pause)
		}
	})
}

// busy reports whether the disk still has what nothing needs.
func (m *mortal) busy() bool {
	return len(blobsOf(m.t, m.dir)) > 4 || len(filesIn(m.t, filepath.Join(m.dir, "uploads"))) > 0
}

// books opens the dead host once more, lets it do what it owes, and counts.
func (m *mortal) books(states map[string]string, level, other string) {
	t := m.t
	h, err := Open(t.Context(), Options{Dir: m.dir, Base: m.base, Log: slog.New(slog.NewTextHandler(m.log, nil)), Settings: hasty})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.worker.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	// What waits for something else, or failed and is tried again, is owed too. In the end three
	// contexts are to be signed again some day, and the collector comes again.
	owed := func() (jobs int) {
		if err := h.catalog.Read(t.Context(), func(tx catalog.Tx) (err error) { jobs, err = tx.Jobs(); return err }); err != nil {
			t.Fatal(err)
		}
		return jobs - 4
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		did, _, err := h.worker.Step(t.Context())
		switch {
		case err != nil:
			t.Fatal(err)
		case did:
		case owed() <= 0:
			end = time.Time{}
		default:
			time.Sleep(pause)
		}
	}
	err = h.catalog.Read(t.Context(), func(tx catalog.Tx) error {
		packs, err := tx.Packs(1)
		if err != nil || len(packs) != 2 || packs[0].Archived || !packs[1].Archived {
			t.Errorf("packs: %v, %v", packs, err)
		}
		versions, err := tx.Versions(level)
		got := map[string]string{}
		for i, v := range versions {
			got[v.ID] = v.State
			if v.Number != int64(i+1) {
				t.Errorf("version %d has the number %d", i+1, v.Number)
			}
		}
		if diff := cmp.Diff(states, got); diff != "" || err != nil {
			t.Errorf("versions (-want +got), %v:\n%s", err, diff)
		}
		need, err := tx.Blobs()
		if diff := cmp.Diff(slices.Sorted(maps.Keys(need)), blobsOf(t, m.dir)); diff != "" || err != nil || len(need) != 4 {
			t.Errorf("blobs that are needed (-) and there (+), %v:\n%s", err, diff)
		}
		live, err := tx.ReleasesOf(level, catalog.Internal)
		if err != nil || len(live) != 2 || live[0].State != catalog.Superseded || live[1].State != catalog.ReadyForTesting {
			t.Errorf("releases: %v, %v", live, err)
		}
		jobs, err := tx.Jobs()
		if err != nil || jobs != 4 {
			t.Errorf("%d jobs are left, %v", jobs, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"uploads", "work"} {
		if left := filesIn(t, filepath.Join(m.dir, dir)); len(left) > 0 {
			t.Errorf("left in %s: %v", dir, left)
		}
	}
	m.device()
}

// device looks at the site as a device does: what it finds is signed, whole and the newest, and leads
// there from the version before.
func (m *mortal) device() {
	t := m.t
	at := filepath.Join(m.dir, "site")
	root, err := os.ReadFile(filepath.Join(at, filepath.FromSlash(site.AppPath(bundle, "trust/1.root.json"))))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(at, filepath.FromSlash(site.ManifestPath(bundle, "internal"))))
	if err != nil {
		t.Fatal(err)
	}
	client := trust.Client{Anchor: root, Context: "internal", Dir: t.TempDir(), Disk: fsx.OS(), Fetcher: folderOf(at), Now: time.Now, Offer: text}
	proven, err := client.Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := asset.ParseDownloadManifest(proven.Manifest)
	if err != nil || len(manifest.Packs) != 1 || manifest.Packs[0].Version != 2 || len(manifest.Packs[0].Deltas) != 1 {
		t.Fatalf("the manifest is %s, %v", proven.Manifest, err)
	}
	name, _ := site.BlobOf(manifest.Packs[0].URL)
	f, err := os.Open(filepath.Join(at, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, err := pack.Open(f, manifest.Packs[0].DownloadSize)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := a.Verify(t.Context()); err != nil || len(found) > 0 {
		t.Errorf("the pack: %v, %v", found, err)
	}
}

// folderOf reads a site as a device does that is on its machine.
type folderOf string

// Fetch implements trust.Fetcher.
func (f folderOf) Fetch(_ context.Context, name string, _ int64, _ string) (trust.Document, error) {
	b, err := os.ReadFile(filepath.Join(string(f), filepath.FromSlash(site.AppPath(bundle, name))))
	return trust.Document{Bytes: b}, err
}

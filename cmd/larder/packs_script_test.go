//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"larder/asset"
	"larder/internal/publish"
	"larder/internal/site"
	"larder/pack"
)

// sell ID VERSION POLICY DIR [LANGUAGE]: put the tree in DIR on sale as a pack, in place
// of its other versions. POLICY is onDemand, or essential or prefetch with the first
// letters of the events behind a colon: "essential:fs". The pack is ID-VERSION.assetpack, too.
func sellCommand(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	root, err := os.OpenRoot(ts.MkAbs(args[3]))
	ts.Check(err)
	defer root.Close()
	tree, err := pack.DirTree(context.Background(), root)
	ts.Check(err)
	var archive bytes.Buffer
	sum, err := pack.Build(context.Background(), &archive, tree, pack.BuildOptions{})
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+"-"+args[1]+".assetpack"), archive.Bytes(), 0o644))
	name := "/" + site.BlobPath(sum.Archive.String())
	w.server.Handle(name, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		site.DeliverBlob(rw, r, sum.Archive.String(), bytes.NewReader(archive.Bytes()))
	}))
	kind, events, _ := strings.Cut(args[2], ":")
	p := asset.Pack{ID: asset.PackID(args[0]), Version: number(ts, args[1]), DownloadSize: sum.Size, URL: w.server.URL + name, DownloadPolicy: asset.DownloadPolicy{Kind: asset.PolicyKind(kind)},
		Content: sum.Content.String(), Index: sum.Index.String(), IndexSize: sum.IndexSize, InstallSize: sum.InstalledSize}
	if strings.Contains(events, "f") {
		p.DownloadPolicy.Events = append(p.DownloadPolicy.Events, asset.EventFirstInstallation)
	}
	if strings.Contains(events, "s") {
		p.DownloadPolicy.Events = append(p.DownloadPolicy.Events, asset.EventSubsequentUpdate)
	}
	if len(args) > 4 {
		p.Language = args[4]
	}
	w.packs = append(slices.DeleteFunc(w.packs, func(o asset.Pack) bool { return o.ID == p.ID }), p)
}

// mark: what the server sent so far does not count for "forecast" and "costs".
func markCommand(ts *testscript.TestScript, _ bool, _ []string) { worldOf(ts).server.ResetLog() }

// forecast OLD NEW: what the server sent of packs since "mark" is at most 1.05 times what
// "larder pack diff" of the two packs foretells, and not nothing.
func forecastCommand(ts *testscript.TestScript, _ bool, args []string) {
	cmd := exec.Command(lookPath(ts, "larder"), "pack", "diff", "--json", args[0], args[1])
	cmd.Dir, cmd.Env = ts.MkAbs("."), scriptEnv(ts)
	out, err := cmd.Output()
	ts.Check(err)
	var told struct{ Fetched int64 }
	ts.Check(json.Unmarshal(out, &told))
	sent := int64(0)
	for _, r := range worldOf(ts).server.Requests() {
		if strings.HasPrefix(r.Path, "/blobs/") {
			sent += r.Sent
		}
	}
	if sent == 0 || sent > told.Fetched+told.Fetched/20 {
		ts.Fatalf("%d bytes of packs were sent; the forecast was %d", sent, told.Fetched)
	}
	ts.Logf("%d bytes of packs were sent; the forecast was %d", sent, told.Fetched)
}

// publish [ID...]: serve a download manifest of what is on sale, or of these packs, at
// $URL/manifest.json.
func publishCommand(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	m := asset.DownloadManifest{PrimaryLanguage: "en"}
	for _, p := range w.packs {
		if len(args) == 0 || slices.Contains(args, string(p.ID)) {
			m.Packs = append(m.Packs, p)
		}
	}
	text, err := json.Marshal(m)
	ts.Check(err)
	w.server.Handle("/manifest.json", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { site.DeliverManifest(rw, r, string(text)) }))
}

// deliver DIR: serve a site below $URL/larder/v1/.
func deliverCommand(ts *testscript.TestScript, _ bool, args []string) {
	root, err := os.OpenRoot(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Defer(func() { _ = root.Close() })
	worldOf(ts).server.Handle(site.Prefix, http.StripPrefix(site.Prefix[:len(site.Prefix)-1], site.Handler(root)))
}

// costs FILE: the blobs that were sent since "mark" have at most 1.05 times the bytes that "publish --json"
// foretold of the first update of its first pack.
func costsCommand(ts *testscript.TestScript, _ bool, args []string) {
	var told publish.Report
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &told))
	sent := int64(0)
	for _, r := range worldOf(ts).server.Requests() {
		if strings.HasPrefix(r.Path, site.Prefix+"blobs/") {
			sent += r.Sent
		}
	}
	if most := told.Packs[0].Updates[0].Download * 105 / 100; sent == 0 || sent > most {
		ts.Fatalf("%d bytes were sent; %d were foretold", sent, told.Packs[0].Updates[0].Download)
	}
}

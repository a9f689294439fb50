package service

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"larder/asset"
)

const choosing = `#!/usr/bin/python3
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    if m.get("method") == "initialize":
        result = {"capabilities": ["shouldDownload"]}
    elif m.get("method") == "shouldDownload":
        pack = m["params"]["assetPack"]
        with open("asked", "a") as f:
            print(pack["id"], pack["version"], m["params"]["reason"], pack.get("userInfo"), file=f)
        result = {"should": (pack.get("userInfo") or {}).get("rating", 0) < 18}
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": result}), flush=True)
`

// An extension in another language, that knows the protocol from its page alone, chooses packs.
func TestAPythonExtensionChoosesPacks(t *testing.T) {
	needsPython(t)
	w := newWorld(t)
	w.start()
	d := w.depot()
	rated := func(n int) func(*asset.Pack) {
		return func(p *asset.Pack) { p.UserInfo = fmt.Appendf(nil, `{"rating":%d}`, n) }
	}
	d.pack("tame", 1, atInstall, map[string]string{"tame.txt": "1"}, rated(6))
	d.pack("wild", 1, atInstall, map[string]string{"wild.txt": "1"}, rated(18))
	a := managedApp(game, 1)
	a.bare, a.script = false, []byte(choosing)
	d.sell(a)
	d.open(game)
	if tame, wild := d.onShelf(game, "tame.txt"), d.onShelf(game, "wild.txt"); tame != "1" || wild != "" {
		t.Errorf("on the shelf: tame %q, wild %q", tame, wild)
	}
	d.pack("tame", 2, atInstall, map[string]string{"tame.txt": "2"}, rated(18))
	d.publish(game)
	if err := d.check(); err != nil {
		t.Fatal(err)
	}
	d.until(game, "the check has ended", func(a asset.AppStatus) bool { return a.State == asset.AppReady })
	if got := d.onShelf(game, "tame.txt"); got != "1" {
		t.Errorf("an update that was declined came: %q", got)
	}
	asked, err := os.ReadFile(filepath.Join(d.dirs.Container("group."+asset.GroupID(game)), "asked"))
	want := "tame 1 new {'rating': 6}\nwild 1 new {'rating': 18}\ntame 2 update {'rating': 18}\n"
	if err != nil || string(asked) != want {
		t.Errorf("it was asked %q, %v", asked, err)
	}
}

func needsPython(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the script names its interpreter as Unix does")
	}
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("python3 is needed:", err)
		}
		t.Skip("no /usr/bin/python3 here")
	}
}

const reading = `import sys, threading
from larder import AssetPackManager
done = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
looks = 0
with AssetPackManager() as m:
    while not done.is_set() or looks < 2:
        m.refresh()
        m.ensure_local_availability(*sys.argv[1:])  # of what is installed: without the service
        looks += 1
        versions = set()
        for p in sys.argv[1:]:
            with open(m.path(p + "/version.txt")) as v, open(m.path(p + "/body.txt")) as b:
                version, body = v.read(), b.read()
            versions.add(version)
            if body != version * 1000:
                sys.exit(f"version {version} of {p} has another body")
        if len(versions) != 1:
            sys.exit(f"packs are of versions {versions}")
`

// pythonReads lets a Python process read the packs again and again; end ends it, and gives
// what it found wrong.
func (d *depot) pythonReads(ids []asset.PackID) (end func() error) {
	d.Helper()
	var words []string
	for _, id := range ids {
		words = append(words, string(id))
	}
	cmd := exec.Command("/usr/bin/python3", append([]string{"-B", "-c", reading}, words...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH=../../clients/python", "LARDER_SOCKET="+d.dirs.AppSocket(game), "LARDER_APP_ID="+string(game),
		"LARDER_SHELF="+d.dirs.Shelf("group."+asset.GroupID(game), game)) // as "larder launch" does
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { _ = in.Close(); _ = cmd.Process.Kill() })
	return func() error {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("%w: %s", err, strings.TrimSpace(out.String()))
		}
		return nil
	}
}

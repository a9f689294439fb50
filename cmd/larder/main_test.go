//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"larder/asset"
	"larder/internal/bucket/buckettest"
	"larder/internal/demo"
	"larder/internal/dirs"
	"larder/internal/extensiontest"
	"larder/internal/fault"
	"larder/internal/fence"
	"larder/internal/fsx"
)

// The test binary is also the program under test, and the downloader extension
// of the apps in the scripts.
func TestMain(m *testing.M) {
	fence.Main()
	testscript.Main(m, map[string]func(){
		"larder":           main,
		"test-extension":   func() { extensiontest.Main(testExtension{}) },
		demo.AppName:       main,
		demo.ExtensionName: main,
	})
}

func TestScripts(t *testing.T) { runScripts(t, "testdata/script") }

func TestScriptsWithABucket(t *testing.T) {
	s := buckettest.Start(t)
	s.Bucket(t, "games")
	runScripts(t, "testdata/bucket", s.Environ()...)
}

// runScripts runs all scripts in dir.
func runScripts(t *testing.T, dir string, environ ...string) {
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars, environ...)
			return setUp(env)
		},
		Condition: func(what string) (bool, error) {
			if what == "race" { // what mostly computes is run without the detector
				return underRace, nil
			}
			return false, fmt.Errorf("there is no such condition: %s", what)
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": serveCommand, "hold": holdCommand, "release": releaseCommand, "manifest": manifestCommand,
			"bundle": bundleCommand, "await": awaitCommand, "exits": exitsCommand, "terminate": terminateCommand,
			"crash": crashCommand, "jsonkeys": jsonKeysCommand, "nofiles": noFilesCommand,
			"page": pageCommand, "prints": printsCommand, "loader": loaderCommand,
			"sell": sellCommand, "publish": publishCommand, "mark": markCommand, "forecast": forecastCommand, "deliver": deliverCommand, "costs": costsCommand, "example": exampleCommand,
			"serving": servingCommand, "hosting": hostingCommand, "freeport": freePortCommand, "apikey": apiKeyCommand, "upload": uploadCommand, "tap": tapCommand, "tapped": tappedCommand, "interrupt": interruptCommand, "tells": tellsCommand, "get": getCommand,
		},
	})
}

// setUp gives each script a data directory and a web server of its own, and sees
// to it that no service outlives the script.
func setUp(env *testscript.Env) error {
	w := &world{server: fault.Start(), files: map[string]int64{}, held: map[string]chan struct{}{}}
	env.Defer(w.server.Close)
	env.Values[worldKey{}] = w
	d := dirs.Dirs{}
	env.Setenv("LARDER_DATA", filepath.Join(env.WorkDir, "data"))
	env.Setenv("URL", w.server.URL)
	env.Setenv("GORACE", os.Getenv("GORACE"))
	env.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(env.WorkDir, "no-bus")) // facts of this machine are none of ours
	extension, err := exec.LookPath("test-extension")
	if err != nil {
		return err
	}
	w.extension = extension
	if d, err = dirs.Find(env.Getenv("LARDER_DATA")); err != nil {
		return err
	}
	w.dirs = d
	env.Defer(func() {
		if pid := w.pid(); pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			w.awaitUnlocked(5 * time.Second)
		}
		if !strings.HasPrefix(d.Run, env.WorkDir) {
			os.RemoveAll(d.Run)
		}
	})
	return nil
}

type worldKey struct{}

// world is what surrounds one script.
type world struct {
	server    *fault.Server
	dirs      dirs.Dirs
	extension string           // the extension's executable
	files     map[string]int64 // sizes of what is served
	held      map[string]chan struct{}
	packs     []asset.Pack // on sale
	serving   *exec.Cmd    // "larder serve", while it runs
	tap       *tap
}

func worldOf(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

// pid is the process of the running service, or 0.
func (w *world) pid() int {
	if lock, err := fsx.Lock(w.dirs.LockFile()); err == nil {
		_ = lock.Unlock()
		return 0
	}
	text, _ := os.ReadFile(w.dirs.LockFile())
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// awaitUnlocked waits until no service holds the data directory.
func (w *world) awaitUnlocked(patience time.Duration) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if w.pid() == 0 {
			return true
		}
	}
	return false
}

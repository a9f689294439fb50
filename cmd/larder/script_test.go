//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"larder/asset"
	"larder/internal/fault"
	"larder/internal/localapi"
)

func number(ts *testscript.TestScript, arg string) int64 {
	n, err := strconv.ParseInt(arg, 10, 64)
	ts.Check(err)
	return n
}

// serve NAME SIZE [FAULTS]: serve SIZE bytes at $URL/NAME.
func serveCommand(ts *testscript.TestScript, _ bool, args []string) {
	w, f := worldOf(ts), fault.File{Content: fault.Content(1, number(ts, args[1]))}
	if len(args) > 2 {
		f.Script = args[2]
	}
	w.files[args[0]] = f.Content.Size
	w.server.Put("/"+args[0], f)
}

// hold NAME SIZE: serve SIZE bytes at $URL/NAME, and answer no request before
// "release NAME".
func holdCommand(ts *testscript.TestScript, _ bool, args []string) {
	w, content, open := worldOf(ts), fault.Content(1, number(ts, args[1])), make(chan struct{})
	w.files[args[0]], w.held[args[0]] = content.Size, open
	w.server.Handle("/"+args[0], http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		select {
		case <-open:
			rw.Header().Set("ETag", content.ETag())
			http.ServeContent(rw, r, "", time.Time{}, content.Reader())
		case <-r.Context().Done():
		}
	}))
}

func releaseCommand(ts *testscript.TestScript, _ bool, args []string) {
	close(worldOf(ts).held[args[0]])
}

// manifest NAME[:essential]...: serve a manifest that names these files, or
// "manifest crash" for one on which the extension crashes.
func manifestCommand(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	var m testManifest
	for _, arg := range args {
		name, essential := strings.CutSuffix(arg, ":essential")
		if name == "crash" {
			m.Crash = true
			continue
		}
		size, known := w.files[name]
		if !known {
			ts.Fatalf("%s is not served", name)
		}
		m.Downloads = append(m.Downloads, asset.Download{Identifier: name, URL: w.server.URL + "/" + name, FileSize: size, Essential: essential})
	}
	data, err := json.Marshal(m)
	ts.Check(err)
	w.server.Handle("/manifest.json", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(data) }))
}

// bundle DIR ID VERSION BUILD [KEY=VALUE]: write an app bundle with the test extension.
func bundleCommand(ts *testscript.TestScript, _ bool, args []string) {
	w, dir := worldOf(ts), ts.MkAbs(args[0])
	info := map[string]any{
		"CFBundleIdentifier": args[1], "CFBundleShortVersionString": args[2], "CFBundleVersion": args[3], "CFBundleExecutable": "app",
		"BAManifestURL": w.server.URL + "/manifest.json", "BAMaxInstallSize": 0, "BAEssentialMaxInstallSize": 0,
		"BAInitialDownloadRestrictions": map[string]any{"BADownloadAllowance": 1 << 30, "BAEssentialDownloadAllowance": 1 << 30, "BADownloadDomainAllowList": []string{"127.0.0.1"}},
	}
	for _, pair := range args[4:] {
		key, value, _ := strings.Cut(pair, "=")
		if info[key] = value; value == "true" {
			info[key] = true
		}
	}
	write := func(name string, mode fs.FileMode, text string) {
		name = filepath.Join(dir, name)
		ts.Check(os.MkdirAll(filepath.Dir(name), 0o755))
		ts.Check(os.WriteFile(name, []byte(text), mode))
	}
	plist := func(name string, v any) {
		data, err := json.Marshal(v)
		ts.Check(err)
		write(name, 0o644, string(data))
	}
	plist("Info.json", info)
	plist("Extensions/Test.appex/Info.json", map[string]any{"CFBundleIdentifier": args[1] + ".test", "CFBundleExecutable": "extension",
		"EXAppExtensionAttributes": map[string]any{"EXExtensionPointIdentifier": "com.apple.background-asset-downloader-extension"}})
	write("Extensions/Test.appex/extension", 0o755, "#!"+w.extension+"\n")
	write("bin/app", 0o755, "#!/bin/sh\necho \"version "+args[2]+" ran with $# arguments: $*\"\necho \"here: $PWD\"\nls \"$LARDER_GROUP_CONTAINER\"\nexit ${APP_EXIT:-0}\n")
}

// await ID PATTERN: wait until the status of an app, as shown to a person, has a
// line that matches.
func awaitCommand(ts *testscript.TestScript, _ bool, args []string) {
	api, want := localapi.NewClient(worldOf(ts).dirs), regexp.MustCompile("(?m)"+args[1])
	shown := ""
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		st, err := api.Status(context.Background(), asset.AppID(args[0]))
		ts.Check(err)
		if shown = strings.Join(overview(st, 0), "\n"); want.MatchString(shown) {
			return
		}
	}
	ts.Fatalf("%s does not come to match %q; it is\n%s", args[0], args[1], shown)
}

// exits CODE PROGRAM ARGS...: run and compare the exit code.
func exitsCommand(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		code = ended.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d; want %s", code, args[0])
	}
}

// terminate: end the service with SIGTERM; it must take at most two seconds.
func terminateCommand(ts *testscript.TestScript, _ bool, _ []string) {
	w := worldOf(ts)
	ts.Check(syscall.Kill(w.pid(), syscall.SIGTERM))
	if !w.awaitUnlocked(2 * time.Second) {
		ts.Fatalf("the service has not ended within two seconds")
	}
	if _, err := os.Stat(w.dirs.OwnerSocket()); !errors.Is(err, fs.ErrNotExist) {
		ts.Fatalf("the service left its socket: %v", err)
	}
}

// crash: end the service with SIGKILL.
func crashCommand(ts *testscript.TestScript, _ bool, _ []string) {
	w := worldOf(ts)
	ts.Check(syscall.Kill(w.pid(), syscall.SIGKILL))
	if !w.awaitUnlocked(5 * time.Second) {
		ts.Fatalf("the service cannot be killed")
	}
}

// jsonkeys FILE WANT: the paths of all members of the JSON in FILE are those in WANT.
func jsonKeysCommand(ts *testscript.TestScript, _ bool, args []string) {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	paths := map[string]bool{}
	collect(v, "", paths)
	got := strings.Join(slices.Sorted(maps.Keys(paths)), "\n") + "\n"
	if want := ts.ReadFile(args[1]); got != want {
		ts.Fatalf("the members are\n%s\nwant\n%s", got, want)
	}
}

func collect(v any, at string, paths map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			collect(member, strings.TrimPrefix(at+"."+key, "."), paths)
		}
	case []any:
		if len(v) == 0 {
			paths[at+"[]"] = true
		}
		for _, element := range v {
			collect(element, at+"[]", paths)
		}
	default:
		paths[fmt.Sprintf("%s %s", at, map[bool]string{true: "null", false: fmt.Sprintf("%T", v)}[v == nil])] = true
	}
}

// nofiles DIR: no regular file is below DIR, which may be missing.
func noFilesCommand(ts *testscript.TestScript, _ bool, args []string) {
	err := filepath.WalkDir(ts.MkAbs(args[0]), func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			ts.Fatalf("%s is there", name)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		ts.Fatalf("%v", err)
	}
}

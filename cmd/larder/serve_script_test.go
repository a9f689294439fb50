//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"larder/internal/host/access"
	"larder/internal/programtest"
)

// serving ARGS...: run "larder serve" beside the script; $SERVE is its URL and
// serve.log what it tells. It replaces one that runs already.
func servingCommand(ts *testscript.TestScript, _ bool, args []string) {
	beside(ts, append([]string{"serve", "--json"}, args...))
}

// freeport: $SERVE is the URL of a port of this machine that nobody has.
func freePortCommand(ts *testscript.TestScript, _ bool, _ []string) {
	port, err := programtest.Port()
	ts.Check(err)
	ts.Setenv("SERVE", fmt.Sprint("http://127.0.0.1:", port))
}

// hosting ARGS...: run "larder host" beside the script, at $SERVE.
func hostingCommand(ts *testscript.TestScript, _ bool, args []string) {
	beside(ts, append([]string{"host", "--json", "--listen", strings.TrimPrefix(ts.Getenv("SERVE"), "http://")}, args...))
}

// apikey FILE: set LARDER_API_KEY to the key in a file, or in what "larder host --json" printed.
func apiKeyCommand(ts *testscript.TestScript, _ bool, args []string) {
	at := hosted{Key: strings.TrimSpace(ts.ReadFile(args[0]))}
	if strings.HasSuffix(args[0], ".json") {
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &at))
	}
	ts.Setenv(apiKey, at.Key)
}

// upload PACK FILE...: bring files to the host at $SERVE as a client of App Store Connect does, for the first app there: a
// manifest (.json) and an archive. It waits until the version is complete.
func uploadCommand(ts *testscript.TestScript, _ bool, args []string) {
	key, err := access.ParseSecret(ts.Getenv(apiKey))
	ts.Check(err)
	type object = map[string]any
	ask := func(method, path string, body object, into any) {
		text, err := json.Marshal(object{"data": body})
		ts.Check(err)
		req, err := http.NewRequest(method, ts.Getenv("SERVE")+path, bytes.NewReader(text))
		ts.Check(err)
		token, err := key.Token(time.Now())
		ts.Check(err)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		ts.Check(err)
		defer resp.Body.Close()
		if text, err = io.ReadAll(resp.Body); err != nil || resp.StatusCode > 299 {
			ts.Fatalf("%s %s: %s, %v", method, path, text, err)
		}
		ts.Check(json.Unmarshal(text, into))
	}
	type resource struct {
		ID         string
		Attributes struct {
			State      string
			Operations []struct{ URL string } `json:"uploadOperations"`
		}
	}
	var one struct{ Data resource }
	var many struct{ Data []resource }
	to := func(name, typ, id string) object {
		return object{name: object{"data": object{"type": typ, "id": id}}}
	}
	ask("GET", "/v1/apps", nil, &many)
	ask("POST", "/v1/backgroundAssets", object{"type": "backgroundAssets", "attributes": object{"assetPackIdentifier": args[0]}, "relationships": to("app", "apps", many.Data[0].ID)}, &one)
	ask("POST", "/v1/backgroundAssetVersions", object{"type": "backgroundAssetVersions", "relationships": to("backgroundAsset", "backgroundAssets", one.Data.ID)}, &one)
	version := one.Data.ID
	for _, name := range args[1:] {
		data, typ := ts.ReadFile(name), "ASSET"
		if strings.HasSuffix(name, ".json") {
			typ = "MANIFEST"
		}
		const files = "backgroundAssetUploadFiles"
		ask("POST", "/v1/"+files, object{"type": files, "attributes": object{"assetType": typ, "fileName": "f", "fileSize": len(data)}, "relationships": to("backgroundAssetVersion", "backgroundAssetVersions", version)}, &one)
		req, err := http.NewRequest("PUT", one.Data.Attributes.Operations[0].URL, strings.NewReader(data))
		ts.Check(err)
		resp, err := http.DefaultClient.Do(req)
		ts.Check(err)
		resp.Body.Close()
		ask("PATCH", "/v1/"+files+"/"+one.Data.ID, object{"type": files, "id": one.Data.ID, "attributes": object{"uploaded": true}}, &one)
	}
	end := time.Now().Add(2 * time.Minute)
	for one.Data.Attributes.State = ""; one.Data.Attributes.State != "COMPLETE"; time.Sleep(20 * time.Millisecond) {
		ask("GET", "/v1/backgroundAssetVersions/"+version, nil, &one)
		if state := one.Data.Attributes.State; state == "FAILED" || time.Now().After(end) {
			ts.Fatalf("the version is %s", state)
		}
	}
}

// beside runs a command of larder that serves, and tells in JSON where.
func beside(ts *testscript.TestScript, args []string) {
	w := worldOf(ts)
	w.endServing()
	cmd := exec.Command(lookPath(ts, "larder"), args...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), scriptEnv(ts)
	log, err := os.Create(ts.MkAbs("serve.log"))
	ts.Check(err)
	defer log.Close()
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	w.serving = cmd
	ts.Defer(w.endServing)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		ts.Fatalf("it does not serve: %v\n%s", err, ts.ReadFile("serve.log"))
	}
	var at served
	ts.Check(json.Unmarshal(line, &at))
	ts.Check(os.WriteFile(ts.MkAbs("serve.json"), line, 0o644))
	ts.Setenv("SERVE", at.URL)
}

func lookPath(ts *testscript.TestScript, name string) string {
	file, err := exec.LookPath(name)
	ts.Check(err)
	return file
}

func (w *world) endServing() {
	if w.serving != nil {
		_ = w.serving.Process.Kill()
		_ = w.serving.Wait()
		w.serving = nil
	}
}

// interrupt: end what serves as Ctrl-C does; it must go well.
func interruptCommand(ts *testscript.TestScript, _ bool, _ []string) {
	w := worldOf(ts)
	ts.Check(w.serving.Process.Signal(syscall.SIGINT))
	ts.Check(w.serving.Wait())
	w.serving = nil
}

// tells PATTERN: wait until a line of serve.log matches.
func tellsCommand(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile("(?m)" + args[0])
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if want.MatchString(ts.ReadFile("serve.log")) {
			return
		}
	}
	ts.Fatalf("nothing that it tells matches %q\n%s", args[0], ts.ReadFile("serve.log"))
}

// get STATUS URL FILE: fetch into a file. STATUS is "broken" for an answer that breaks off.
func getCommand(ts *testscript.TestScript, _ bool, args []string) {
	res, err := http.Get(args[1])
	ts.Check(err)
	body, err := io.ReadAll(res.Body)
	got := strconv.Itoa(res.StatusCode)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		got = "broken"
	}
	if got != args[0] {
		ts.Fatalf("%s: %s, want %s (%v)", args[1], got, args[0], err)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), body, 0o644))
}

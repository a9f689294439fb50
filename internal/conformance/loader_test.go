package conformance

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"larder/asset"
	"larder/extension"
	"larder/internal/fsx"
)

// script is what the test apps' extension does. It lies beside its executable,
// and is read at each call, so that a test may change its mind.
type script struct {
	Answer  []asset.Download  // of downloads
	On      map[string][]step // by entry point: downloads, finished, failed, challenge, terminate
	Minimal bool              // it has downloads and no other entry point
	Decline []asset.PackID    // packs that should not be downloaded
	Raw     string            // it speaks the protocol by hand and asks for this method
}

// step is one thing that the extension does in an entry point.
type step struct {
	Do       string
	Arg      string                 `json:",omitempty"`
	Download *asset.Download        `json:",omitempty"`
	Answer   *asset.ChallengeAnswer `json:",omitempty"`
}

// heard is one line of what an extension noted: a call (Do is empty) or the
// outcome of a step.
type heard struct {
	Entry, Do   string
	Process     string // names the process; see untilEnded
	Request     asset.ContentRequest
	Info        asset.ExtensionInfo
	Manifest    string // its text
	Path        string // of the manifest, or of a finished file
	Download    asset.Download
	Cause       *asset.Error // failed
	Challenge   *asset.Challenge
	Err         *asset.Error // of a step
	Identifiers []string
}

func loadScript() (s script) {
	self, err := os.Executable()
	if err != nil {
		return s
	}
	if text, err := os.ReadFile(filepath.Join(filepath.Dir(self), "script.json")); err == nil {
		_ = json.Unmarshal(text, &s)
	}
	return s
}

// note appends to the container, which is the working directory.
func note(h heard) {
	h.Process = process()
	text, err := json.Marshal(h)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	f, err := os.OpenFile("heard", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	_, _ = f.Write(append(text, '\n'))
	_ = f.Close()
}

// process names this process, and holds the lock of that name for as long as it
// lives: numbers of processes mean nothing across a fence.
var process = sync.OnceValue(func() string {
	name := "process-" + rand.Text()
	if _, err := fsx.Lock(name); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return name
})

type loader struct{}

func (loader) Downloads(ctx context.Context, r extension.Request) ([]asset.Download, error) {
	text, _ := os.ReadFile(r.ManifestPath)
	h := heard{Entry: "downloads", Request: r.ContentRequest, Info: r.Info, Path: r.ManifestPath, Manifest: string(text)}
	note(h)
	s := loadScript()
	return s.Answer, run(ctx, s.On[h.Entry], h, r.Service)
}

func (loader) BackgroundDownloadFinished(ctx context.Context, d asset.Download, path string, s extension.Service) error {
	h := heard{Entry: "finished", Download: d, Path: path}
	note(h)
	steps, ok := loadScript().On[h.Entry]
	if !ok {
		steps = []step{{Do: "take"}}
	}
	return run(ctx, steps, h, s)
}

func (loader) BackgroundDownloadFailed(ctx context.Context, d asset.Download, cause *asset.Error, s extension.Service) error {
	h := heard{Entry: "failed", Download: d, Cause: cause}
	note(h)
	return run(ctx, loadScript().On[h.Entry], h, s)
}

func (loader) BackgroundDownloadReceivedChallenge(_ context.Context, d asset.Download, c extension.Challenge) (extension.ChallengeAnswer, error) {
	note(heard{Entry: "challenge", Download: d, Challenge: &c})
	for _, x := range loadScript().On["challenge"] {
		switch {
		case x.Do == "crash":
			os.Exit(3)
		case x.Answer != nil:
			return *x.Answer, nil
		}
	}
	return extension.ChallengeAnswer{Disposition: extension.DefaultHandling}, nil
}

func (loader) ShouldDownload(_ context.Context, p extension.AssetPack, r extension.PackReason) (bool, error) {
	note(heard{Entry: "should", Identifiers: []string{p.ID, string(r)}})
	return !slices.Contains(loadScript().Decline, asset.PackID(p.ID)), nil
}

func (loader) ExtensionWillTerminate() { note(heard{Entry: "terminate"}) }

// minimal has the one entry point that must be there.
type minimal struct{}

func (minimal) Downloads(ctx context.Context, r extension.Request) ([]asset.Download, error) {
	return loader{}.Downloads(ctx, r)
}

func run(ctx context.Context, steps []step, h heard, s extension.Service) error {
	for _, x := range steps {
		out := heard{Entry: h.Entry, Do: x.Do, Download: h.Download}
		err := x.do(ctx, &h, &out, s)
		out.Err = asset.AsError(err)
		note(out)
		if x.Do == "fail" {
			return err
		}
	}
	return nil
}

func (x step) do(ctx context.Context, h, out *heard, s extension.Service) error {
	switch x.Do {
	case "crash":
		os.Exit(3)
	case "kill":
		p, err := os.FindProcess(os.Getpid())
		if err != nil {
			return err
		}
		return p.Kill()
	case "hang":
		time.Sleep(time.Hour)
	case "sleep":
		d, err := time.ParseDuration(x.Arg)
		time.Sleep(d)
		return err
	case "grow":
		for {
			piece := make([]byte, 4<<20)
			for n := 0; n < len(piece); n += 4096 {
				piece[n] = 1
			}
			grown = append(grown, piece)
			time.Sleep(5 * time.Millisecond) // the race detector takes as much again, and fails when it is refused
		}
	case "fail":
		return errors.New("not now")
	case "take":
		return os.Rename(h.Path, h.Download.Identifier)
	case "say":
		fmt.Fprintln(os.Stderr, x.Arg)
	case "await":
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if _, err := os.Stat(x.Arg); err == nil {
				return nil
			}
		}
		return errors.New("it never came")
	case "schedule":
		return s.ScheduleDownload(ctx, *x.Download)
	case "requeue":
		return s.ScheduleDownload(ctx, h.Download.RemovingEssential())
	case "cancel":
		return s.CancelDownload(ctx, x.Arg)
	case "current":
		list, err := s.CurrentDownloads(ctx)
		for _, d := range list {
			out.Identifiers = append(out.Identifiers, d.Identifier)
		}
		return err
	case "acquire":
		return s.AcquireExclusiveControl(ctx, time.Time{})
	case "try":
		return s.AcquireExclusiveControl(ctx, time.Now())
	case "release":
		return s.ReleaseExclusiveControl(ctx)
	}
	return nil
}

var grown [][]byte

// speakByHand is an extension without the SDK. While it is asked for downloads, or
// about a pack, it calls a method of the service's, notes what it was told, and answers
// with nothing, or with yes.
func speakByHand(method string) {
	var m struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Error  *struct {
			Message string       `json:"message"`
			Data    *asset.Error `json:"data"`
		} `json:"error"`
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		id := m.ID
		m.Method, m.ID = "", nil
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			os.Exit(5)
		}
		switch {
		case m.Method == extension.MethodInitialize:
			fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":{"capabilities":["downloads","shouldDownload"]}}`+"\n", m.ID)
		case m.Method == extension.MethodDownloads, m.Method == extension.MethodShouldDownload:
			fmt.Printf(`{"jsonrpc":"2.0","id":"mine","method":%q,"params":{"download":{"identifier":"x","url":"https://127.0.0.1/x","fileSize":1}}}`+"\n", method)
		case string(m.ID) == `"mine"`:
			h := heard{Entry: "downloads", Do: method}
			if m.Error != nil {
				h.Err = m.Error.Data
			}
			if m.Error != nil && m.Error.Data == nil { // there is no such method
				h.Err = &asset.Error{Code: asset.CodeBadRequest, Message: m.Error.Message}
			}
			note(h)
			fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":{"downloads":[],"should":true}}`+"\n", id)
		}
	}
}

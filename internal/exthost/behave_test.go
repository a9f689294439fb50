//go:build unix

package exthost

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"larder/asset"
	"larder/extension"
)

// actor is an extension that does what its name says when asked for downloads.
type actor struct {
	do func(r extension.Request) ([]asset.Download, error)
}

func (a actor) Downloads(_ context.Context, r extension.Request) ([]asset.Download, error) {
	return a.do(r)
}

func (actor) ExtensionWillTerminate() { fmt.Fprintln(os.Stderr, "goodbye") }

// behave is the main function of the extension named name.
func behave(name string) {
	out := os.Stdout // before Main takes it away
	forever := func() { time.Sleep(time.Hour) }
	say := func(text string) { fmt.Fprint(out, text) }
	acts := map[string]func(r extension.Request) ([]asset.Download, error){
		"good": func(extension.Request) (list []asset.Download, err error) {
			fmt.Println("a stray print of the author's")
			cwd, err := os.Getwd()
			cwd, _ = filepath.EvalSymlinks(cwd)
			list = append(list, asset.Download{Identifier: "cwd=" + cwd})
			for _, v := range os.Environ() {
				list = append(list, asset.Download{Identifier: v})
			}
			return list, err
		},
		"exit3": func(extension.Request) ([]asset.Download, error) {
			fmt.Fprintln(os.Stderr, "alas")
			os.Exit(3)
			return nil, nil
		},
		"exit0": func(extension.Request) ([]asset.Download, error) { os.Exit(0); return nil, nil },
		"kill9": func(extension.Request) ([]asset.Download, error) {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			forever()
			return nil, nil
		},
		"stray": func(extension.Request) ([]asset.Download, error) { say("hello\n"); forever(); return nil, nil },
		"garbage": func(extension.Request) ([]asset.Download, error) {
			say("{\"jsonrpc\":\x00\xff\n")
			forever()
			return nil, nil
		},
		"huge": func(extension.Request) ([]asset.Download, error) {
			for block := bytes.Repeat([]byte("x"), 1<<20); ; {
				if _, err := out.Write(block); err != nil {
					return nil, err
				}
			}
		},
		"bigcount": func(extension.Request) ([]asset.Download, error) {
			list := make([]asset.Download, 60000)
			for i := range list {
				list[i] = asset.Download{Identifier: fmt.Sprint(i, strings.Repeat("i", 100)), URL: "https://x.example/"}
			}
			return list, nil
		},
		"manyanswers": func(extension.Request) ([]asset.Download, error) { return make([]asset.Download, 65537), nil },
		"shut":        func(extension.Request) ([]asset.Download, error) { out.Close(); forever(); return nil, nil },
		"forkexit":    func(extension.Request) ([]asset.Download, error) { child(out, false); os.Exit(4); return nil, nil },
		"setsidhang":  func(extension.Request) ([]asset.Download, error) { child(out, true); forever(); return nil, nil },
		"setsidexit":  func(extension.Request) ([]asset.Download, error) { child(out, true); os.Exit(5); return nil, nil },
		"floodexit": func(extension.Request) ([]asset.Download, error) {
			w := bufio.NewWriter(os.Stderr)
			for i := range 100000 {
				fmt.Fprintf(w, "line %d\n", i)
			}
			w.Flush()
			os.Exit(1)
			return nil, nil
		},
		"stuffed": func(extension.Request) ([]asset.Download, error) {
			for range 100 { // without ids: nobody counts them, and they fill the workers
				say(`{"jsonrpc":"2.0","method":"acquireExclusiveControl"}` + "\n")
			}
			os.Exit(6)
			return nil, nil
		},
		"deaf": func(extension.Request) ([]asset.Download, error) {
			for range 100 {
				say(`{"jsonrpc":"2.0","method":"acquireExclusiveControl"}` + "\n")
			}
			forever()
			return nil, nil
		},
		"millionlines": func(extension.Request) ([]asset.Download, error) {
			w := bufio.NewWriterSize(out, 1<<20)
			for range 1_000_000 {
				fmt.Fprintln(w, `{"jsonrpc":"2.0","method":"x"}`)
			}
			return nil, w.Flush()
		},
		"forkbomb": func(extension.Request) ([]asset.Download, error) {
			for range 1500 {
				if _, err := os.StartProcess("/bin/sleep", []string{"sleep", "5"}, &os.ProcAttr{}); err != nil {
					return nil, err
				}
			}
			return nil, nil
		},
		"arrange":    arrange,
		"sleep":      func(extension.Request) ([]asset.Download, error) { forever(); return nil, nil },
		"grandchild": func(extension.Request) ([]asset.Download, error) { child(out, false); forever(); return nil, nil },
		"hog":        func(extension.Request) ([]asset.Download, error) { hog(); return nil, nil },
		"hogchild":   func(extension.Request) ([]asset.Download, error) { child(out, false); forever(); return nil, nil },
		"refuse":     func(extension.Request) ([]asset.Download, error) { return nil, errorOfMine() },
		"terminator": func(extension.Request) ([]asset.Download, error) { return nil, nil },
		"askback": func(r extension.Request) ([]asset.Download, error) {
			list, err := r.Service.CurrentDownloads(context.Background())
			refused := r.Service.ScheduleDownload(context.Background(), asset.Download{Identifier: "x"})
			if !errors.Is(refused, asset.Sentinel(asset.CodeBackgroundActivityProhibited)) {
				return nil, refused
			}
			return append(list, asset.Download{Identifier: fmt.Sprint("refused ", int(asset.CodeOf(refused)))}), err
		},
	}
	switch name {
	case "silent":
		forever()
	case "child":
		if strings.Contains(strings.Join(os.Args, " "), "hog") {
			hog()
		}
		forever()
	case "ignorant":
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			var m struct{ ID json.RawMessage }
			if json.Unmarshal(in.Bytes(), &m) == nil && m.ID != nil {
				fmt.Printf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"what?"}}`+"\n", m.ID)
			}
		}
	case "stubborn":
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT)
		var m struct{ ID json.RawMessage }
		in := bufio.NewScanner(os.Stdin)
		in.Scan()
		json.Unmarshal(in.Bytes(), &m)
		fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":{}}`+"\n", m.ID)
		forever()
	default:
		extension.Main(actor{acts[name]})
	}
}

// arrange moves what its inbox holds into the container, and tries another app's.
func arrange(r extension.Request) ([]asset.Download, error) {
	inbox := filepath.Dir(r.ManifestPath)
	if _, err := os.ReadFile(filepath.Join(filepath.Dir(inbox), "other", "file")); err == nil {
		return nil, errors.New("it read another app's file")
	}
	err := os.Rename(filepath.Join(inbox, "file"), filepath.Join(extension.Container(), "file"))
	return nil, err
}

func errorOfMine() error {
	return &asset.Error{Code: asset.CodeExtensionFailed, Op: "downloads", Message: "extensionless"}
}

// child starts another process of this binary that holds on to our output; in a
// session of its own, it is outside the process group and has an end of its own.
func child(out *os.File, away bool) {
	self, _ := os.Executable()
	args := []string{"ext-child", filepath.Base(os.Args[0])}
	attr := &os.ProcAttr{Files: []*os.File{os.Stdin, out, os.Stderr}, Sys: &syscall.SysProcAttr{Setsid: away}}
	if away {
		self, args = "/bin/sleep", []string{"sleep", "5"}
	}
	if _, err := os.StartProcess(self, args, attr); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// hog takes memory, touching it, until it is ended.
func hog() {
	var all [][]byte
	for {
		block := make([]byte, 8<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		all = append(all, block)
		time.Sleep(5 * time.Millisecond)
		if len(all) > 80 {
			time.Sleep(time.Hour)
		}
	}
}

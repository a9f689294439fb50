package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"larder/asset"
	"larder/client"
)

// play is the app itself, as a process: it does what its first argument says,
// prints a line when that is done, and stays until it is killed.
func play(args []string) int {
	ctx := context.Background()
	m, err := client.Open(client.Options{})
	if err == nil && len(args) == 2 {
		var d asset.Download
		_ = json.Unmarshal([]byte(args[1]), &d)
		switch args[0] {
		case "hold":
			err = m.WithExclusiveControl(ctx, func(context.Context) error { fmt.Println("done"); select {} })
		case "schedule":
			_, err = m.Schedule(ctx, d)
		case "foreground":
			if err = m.SetActive(ctx, true); err == nil {
				_, err = m.StartForeground(ctx, d)
			}
		}
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("done")
	select {}
}

// starts launches the app as a process that plays a role, waits until it has
// done that, and gives its killer (SIGKILL).
func (a *app) starts(role string, d asset.Download) (kill func()) {
	a.Helper()
	l := a.launch()
	text, err := json.Marshal(d)
	if err != nil {
		a.Fatal(err)
	}
	cmd := exec.Command(l.Executable, role, string(text))
	cmd.Dir, cmd.Env, cmd.Stderr = l.Dir, os.Environ(), os.Stderr
	for k, v := range l.Env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		a.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	a.Cleanup(kill)
	said, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.TrimSpace(said) != "done" {
		a.Fatalf("%s said %q, %v", filepath.Base(l.Executable), said, err)
	}
	return kill
}

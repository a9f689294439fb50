// Command larder is the one program of Larder: the background service, and the
// commands with which a person or a store speaks to it over the local API.
//
// Each command parses, calls and prints, and starts the service when none runs.
// What was asked for goes to standard output, what a person should know beside
// it to standard error; exit.go holds the exit codes, which are stable. It keeps
// no state and decides nothing about apps or downloads: the service does.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"larder/internal/demo"
	"larder/internal/fence"
)

func main() {
	fence.Main()
	if role := demo.Role(os.Args[0]); role != nil {
		role()
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program but for the end of the process. The first Ctrl-C or
// SIGTERM ends ctx, a second one the process.
func run(args []string, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	c := &cli{out: out, err: errOut}
	root := c.root()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	return c.report(root.ExecuteContext(ctx))
}

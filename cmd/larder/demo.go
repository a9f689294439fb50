package main

import (
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"larder/internal/demo"
)

func (c *cli) demoCommand() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use: "demo [DIR]", Short: "See it work: an app is stocked and opened, all in a temporary folder", Args: takes(0, 1),
		Long: `See it work. In a temporary folder the demo runs a service of its own and a web
server, makes assets of the files in DIR (the Go distribution when DIR is left
out; at most 400 MB are taken), installs an app, launches it through the gate
and removes everything again. It needs no network and changes nothing else.`,
		Example: "  larder demo\n  larder demo ~/Pictures\n  larder demo --keep",
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.data != "" {
				return wrongUse(cmd, "the demo has a data directory of its own, so --data does not go with it")
			}
			o := demo.Options{Keep: keep, Out: c.out, Err: c.err}
			if len(args) == 1 {
				if o.Dir = args[0]; o.Dir == "" {
					return wrongUse(cmd, "the name of the folder is empty")
				}
			}
			// A closed terminal or pipe must not leave a service and a folder behind.
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP, syscall.SIGPIPE)
			defer stop()
			return demo.Run(ctx, o)
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave everything running to look around, until Ctrl-C")
	return withExits(cmd, exitInterrupted)
}

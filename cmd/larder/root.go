package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/dirs"
)

// cli is what all commands share: where they print, and the flags of the root.
type cli struct {
	out, err io.Writer
	data     string // --data
	json     bool   // --json, of the commands that have it
	quiet    bool   // --quiet
	began    bool   // the command line was understood
}

func (c *cli) root() *cobra.Command {
	root := c.group("larder", "Stock an app's large assets before the app needs them",
		c.launchCommand(), c.statusCommand(), c.appCommand(), c.assetsCommand(), c.downloadCommand(), c.settingsCommand(),
		c.packCommand(), c.manifestCommand(), c.serveCommand(), c.publishCommand(), c.siteCommand(), c.hostCommand(), c.keysCommand(), c.storageCommand(), c.simulateCommand(), c.serviceCommand(), c.doctorCommand(), c.demoCommand(), c.versionCommand(), exitCodesTopic(), c.generateCommand())
	root.Example = `  larder app install hello.app
  larder launch org.example.hello
  larder status --watch`
	root.PersistentPreRun = func(*cobra.Command, []string) { c.began = true }
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return wrongUse(cmd, err.Error()) })
	root.PersistentFlags().StringVar(&c.data, "data", "", "keep everything in folder `DIR` (or set LARDER_DATA)")
	root.PersistentFlags().BoolVarP(&c.quiet, "quiet", "q", false, "print only what was asked for, and errors")
	plainUsage(root)
	return root
}

// plainUsage leaves "[flags]" out of the usage lines: flags are listed below them.
func plainUsage(cmd *cobra.Command) {
	cmd.DisableFlagsInUseLine = true
	for _, sub := range cmd.Commands() {
		plainUsage(sub)
	}
}

// group is a command that only holds others.
func (c *cli) group(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		err := wrongUse(cmd, fmt.Sprintf("there is no command %q", args[0]))
		cmd.SuggestionsMinimumDistance = 2
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			err.help = fmt.Sprintf("did you mean %q?", cmd.CommandPath()+" "+strings.Join(near, " or "))
		}
		return err
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(subs...)
	return cmd
}

// takes holds a command to between least and most arguments.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return wrongUse(cmd, "an argument is missing")
		case len(args) > most:
			return wrongUse(cmd, fmt.Sprintf("%q is one argument too many", args[most]))
		}
		return nil
	}
}

// printsJSON gives a command the flag --json.
func (c *cli) printsJSON(cmd *cobra.Command, what string) *cobra.Command {
	cmd.Flags().BoolVar(&c.json, "json", false, what)
	return cmd
}

func (c *cli) dirs() (dirs.Dirs, error) { return dirs.Find(c.data) }

// appID reads the identifier of an app from an argument.
func appID(cmd *cobra.Command, arg string) (asset.AppID, error) {
	id, err := asset.ParseAppID(arg)
	if err != nil {
		wrong := wrongUse(cmd, err.Error())
		wrong.help = asset.AsError(err).Help
		return "", wrong
	}
	return id, nil
}

// maybeAppID is appID of the first argument, or "" when there is none.
func maybeAppID(cmd *cobra.Command, args []string) (asset.AppID, error) {
	if len(args) == 0 {
		return "", nil
	}
	return appID(cmd, args[0])
}

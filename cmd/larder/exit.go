package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"larder/asset"
)

// The exit codes. Above 2 they are those of sysexits, and a shell's for a signal.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitData        = 65
	exitNotFound    = 66
	exitUnavailable = 69
	exitExists      = 73
	exitNotNow      = 75
	exitInterrupted = 130
)

// exits is the one table from what went wrong to the exit code. An error whose
// code stands nowhere here is exitFailure.
var exits = []struct {
	exit    int
	meaning string
	codes   []asset.Code
}{
	{exitOK, "done", nil},
	{exitFailure, "it failed", nil},
	{exitUsage, "the command line is wrong", []asset.Code{asset.CodeBadRequest}},
	{exitData, "a bundle, manifest or pack has faults, or the configuration is wrong", []asset.Code{asset.CodeConfiguration, asset.CodeSignature, asset.CodeDownloadInvalid,
		asset.CodeSizeMismatch, asset.CodeHashMismatch, asset.CodePathCollision, asset.CodeTooLarge, asset.CodeDoesNotFit}},
	{exitNotFound, "there is no such app, bundle, download, asset pack or file", []asset.Code{asset.CodeNotFound, asset.CodeDownloadDoesNotExist}},
	{exitUnavailable, "the service cannot be reached or started", []asset.Code{asset.CodeConnectionInvalid, asset.CodeConnectionNotAccepted}},
	{exitExists, "the output is there already; --force replaces it", nil},
	{exitNotNow, "not in the present state: try again later", []asset.Code{asset.CodeState, asset.CodeAlreadyScheduled, asset.CodeNotScheduled}},
	{exitInterrupted, "interrupted by Ctrl-C or SIGTERM", nil},
}

// usageError is a wrong command line.
type usageError struct{ message, help string }

func (e *usageError) Error() string { return e.message }

func wrongUse(cmd *cobra.Command, message string) *usageError {
	return &usageError{message, fmt.Sprintf("usage: %s (more with %q)", cmd.UseLine(), cmd.CommandPath()+" --help")}
}

// existsError is an output that is there already.
type existsError struct{ name string }

func (e *existsError) Error() string { return "write " + e.name + ": it is there already" }

// told is the end of a command that has said all there is to say.
type told struct{ exit int }

func (e told) Error() string { return fmt.Sprintf("exit code %d", e.exit) }

// report tells what went wrong, and gives the exit code.
func (c *cli) report(err error) int {
	if err != nil && !c.began && exitOf(err) == exitFailure {
		err = &usageError{err.Error(), `see "larder --help"`} // cobra's own
	}
	exit, help := exitOf(err), ""
	var done told
	if err == nil || errors.As(err, &done) {
		return exit
	}
	var usage *usageError
	var exists *existsError
	var typed *asset.Error
	message := err.Error()
	switch {
	case errors.As(err, &usage):
		help = usage.help
	case errors.As(err, &exists):
		help = "say --force to replace it"
	case errors.As(err, &typed):
		help = typed.Help
	case err == context.Canceled:
		message = "interrupted"
	}
	fmt.Fprintf(c.err, "larder: %s\n", clean(message))
	for line := range strings.Lines(help) {
		fmt.Fprintf(c.err, "  %s\n", clean(strings.TrimSuffix(line, "\n")))
	}
	return exit
}

func exitOf(err error) int {
	var done told
	var usage *usageError
	var exists *existsError
	var typed *asset.Error
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &done):
		return done.exit
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &exists):
		return exitExists
	case errors.As(err, &typed) && typed.DomainOf() == asset.DomainManaged:
		return exitNotFound
	case errors.As(err, &typed):
		for _, e := range exits {
			if slices.Contains(e.codes, typed.Code) {
				return e.exit
			}
		}
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailure
}

// withExits ends a command's help with the exit codes it has beside 0, 1 and 2.
func withExits(cmd *cobra.Command, codes ...int) *cobra.Command {
	if cmd.Long == "" {
		cmd.Long = cmd.Short + "."
	}
	cmd.Long += "\n\nExit codes beside 0, 1 and 2:\n" + exitLines(func(exit int) bool { return slices.Contains(codes, exit) })
	cmd.Long = strings.TrimRight(cmd.Long, "\n")
	return cmd
}

func exitLines(which func(exit int) bool) string {
	var b strings.Builder
	for _, e := range exits {
		if which(e.exit) {
			fmt.Fprintf(&b, "  %3d  %s\n", e.exit, e.meaning)
		}
	}
	return b.String()
}

func exitCodesTopic() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean",
		Long: "Exit codes are stable:\n\n" + exitLines(func(int) bool { return true }) + "\n\"larder launch\" becomes the app, and then the exit code is the app's."}
}

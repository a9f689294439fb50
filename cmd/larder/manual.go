package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// documented are the commands that have a manual page: all that people see, but
// for cobra's own.
func documented(cmd *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		if !sub.Hidden && sub.Name() != "help" && sub.Name() != "completion" {
			out = append(out, documented(sub)...)
		}
	}
	return out
}

// dashed is the name of a command's page: larder-app-install.
func dashed(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manualPage is a command's help in the language of man(7).
func manualPage(cmd *cobra.Command, date time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 %s %q Larder\n", strings.ToUpper(dashed(cmd)), date.Format(time.DateOnly), "larder "+ownVersion())
	section := func(title, text string) {
		if text = strings.TrimRight(text, "\n"); text != "" {
			fmt.Fprintf(&b, ".SH %s\n%s\n", title, text)
		}
	}
	section("NAME", roff(dashed(cmd))+` \- `+roff(strings.ToLower(cmd.Short[:1])+cmd.Short[1:]))
	if cmd.Runnable() && (!cmd.HasSubCommands() || cmd == cmd.Root()) {
		section("SYNOPSIS", ".B "+roff(cmd.UseLine()))
	} else if cmd.HasSubCommands() {
		section("SYNOPSIS", ".B "+roff(cmd.CommandPath()+" COMMAND"))
	}
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	section("DESCRIPTION", prose(text))
	subs := ""
	for _, sub := range cmd.Commands() {
		if pages := documented(sub); !sub.Hidden && sub.Name() != "help" && sub.Name() != "completion" {
			subs += fmt.Sprintf(".TP\n.BR %s (1)\n%s\n", roff(dashed(pages[0])), roff(sub.Short))
		}
	}
	section("COMMANDS", subs)
	section("OPTIONS", verbatim(cmd.NonInheritedFlags().FlagUsages()))
	section("COMMON OPTIONS", verbatim(cmd.InheritedFlags().FlagUsages()))
	section("EXAMPLES", verbatim(cmd.Example))
	if parent := cmd.Parent(); parent != nil {
		section("SEE ALSO", fmt.Sprintf(".BR %s (1)", roff(dashed(parent))))
	} else {
		section("SEE ALSO", `.BR larder\-exit\-codes (1)`)
	}
	return b.String()
}

// prose is text in paragraphs; one with indented lines stays as it is.
func prose(text string) string {
	var parts []string
	for _, p := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		if strings.HasPrefix(p, " ") || strings.Contains(p, "\n ") {
			parts = append(parts, verbatim(p))
		} else {
			parts = append(parts, roff(p))
		}
	}
	return strings.Join(parts, "\n.PP\n")
}

// verbatim keeps lines as they are.
func verbatim(text string) string {
	if text = strings.Trim(text, "\n"); text == "" {
		return ""
	}
	return ".nf\n" + roff(text) + "\n.fi"
}

// roff escapes text: no line of it is a request, and its signs are those typed.
func roff(text string) string {
	lines := strings.Split(strings.NewReplacer(`\`, `\e`, `-`, `\-`, "`", `\(ga`, `^`, `\(ha`, `~`, `\(ti`).Replace(text), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

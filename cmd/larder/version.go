package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by releases: -ldflags "-X main.version=1.2.3".
var version string

// ownVersion is the version of this binary: the release's, else what the build
// says of its module, else "dev".
func ownVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

func (c *cli) versionCommand() *cobra.Command {
	return c.printsJSON(&cobra.Command{
		Use: "version", Short: "Print the version of this program", Args: takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				Version string `json:"version"`
				Go      string `json:"go"`
				OS      string `json:"os"`
				Arch    string `json:"arch"`
			}{ownVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH}
			if c.json {
				return c.document(v)
			}
			c.say("larder %s (%s, %s/%s)", v.Version, v.Go, v.OS, v.Arch)
			return nil
		},
	}, "print a JSON object")
}

package main

import (
	"github.com/spf13/cobra"

	"larder/internal/localapi"
)

// serviceReport is what "larder service status --json" prints.
type serviceReport struct {
	Running bool     `json:"running"`
	Version string   `json:"version,omitempty"`
	PID     int      `json:"pid,omitempty"`
	DataDir string   `json:"dataDir"`
	Socket  string   `json:"socket"`
	AtLogin bool     `json:"atLogin"`
	Keeper  string   `json:"keeper"`
	State   string   `json:"state,omitempty"`
	Files   []string `json:"files,omitempty"`
}

func (c *cli) serviceStatusCommand() *cobra.Command {
	return withExits(c.printsJSON(&cobra.Command{
		Use: "status", Short: "Show whether the service runs, and whether it starts at login", Args: takes(0, 0),
		Long: "Show whether the service runs, and whether it starts at login. Starts nothing.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, login, err := c.login()
			if err != nil {
				return err
			}
			r := serviceReport{DataDir: d.Data, Socket: d.OwnerSocket(), Keeper: login.Keeper(), AtLogin: login.Installed()}
			if r.Running, err = serviceRuns(d); err != nil {
				return err
			}
			if r.Running {
				h, err := localapi.NewClient(d).Hello(cmd.Context())
				if err != nil {
					return err
				}
				r.Version, r.PID = h.Version, h.PID
			}
			if r.AtLogin {
				r.Files, r.State = login.Files(), login.State(cmd.Context())
			}
			if c.json {
				return c.document(r)
			}
			c.tellService(r)
			return nil
		},
	}, "print a JSON object"), exitData, exitUnavailable)
}

func (c *cli) tellService(r serviceReport) {
	if r.Running {
		c.say("larder %s runs (pid %d)", r.Version, r.PID)
	} else {
		c.say("no service runs; the next command that needs it starts it")
	}
	c.say("  data    %s\n  socket  %s", r.DataDir, r.Socket)
	if !r.AtLogin {
		c.say("  login   does not start at login (\"larder service install\" changes that)")
		return
	}
	c.say("  login   %s: %s", r.Keeper, r.State)
	for _, f := range r.Files {
		c.say("          %s", f)
	}
}

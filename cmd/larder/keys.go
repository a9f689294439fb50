package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/packing"
	"larder/internal/publish"
	"larder/internal/trust"
)

func (c *cli) keysCommand() *cobra.Command {
	cmd := c.group("keys", "Make and change the keys that sign a site",
		c.keysInitCommand(), c.keysStatusCommand(), c.keysAddCommand(), c.keysRotateCommand(), c.keysRevokeCommand(), c.keysSignCommand())
	cmd.Long = "Make and change the keys that sign a site. Root keys say who holds the others, and stay offline, each with another\n" +
		"person if you can. The publisher's key signs pack versions and stays offline too. A release key signs what is live in\n" +
		"a context; it, snapshot and timestamp may lie where you publish. A key is a file in the directory of keys; move files\n" +
		"out of it as you like, and bring them back when they must sign. LARDER_KEYS_PASSPHRASE seals new files and opens sealed ones."
	return cmd
}

func (c *cli) keysInitCommand() *cobra.Command {
	var dir string
	plan := publish.Plan{}
	cmd := &cobra.Command{
		Use: "init --keys DIR", Short: "Make the keys of an app, and the root for its bundle", Args: takes(0, 0),
		Long: "Make the keys of an app, and the root for its bundle. Put root.json into the bundle and name it in the Info.plist\n" +
			"(LarderTrustedRoot): from then on devices take nothing that these keys have not signed.",
		Example: "  larder keys init --keys keys\n  larder keys init --keys keys --root-keys 3 --threshold 2",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return wrongUse(cmd, "--keys is missing")
			}
			if plan.Threshold < 1 || plan.RootKeys < plan.Threshold || plan.RootKeys > 32 {
				return wrongUse(cmd, fmt.Sprintf("%d of %d root keys cannot sign", plan.Threshold, plan.RootKeys))
			}
			for _, context := range plan.Contexts {
				if !slices.Contains(publish.Contexts, context) {
					return wrongUse(cmd, fmt.Sprintf("there is no context %q", context))
				}
			}
			keys, err := keyDir(dir).Init(cmd.Context(), plan, trust.Lifetimes{}, time.Now())
			if err != nil {
				return err
			}
			var t table
			for _, k := range keys {
				t.add(string(k.Role), k.ID[:8])
			}
			for _, line := range t.lines("") {
				c.say("%s", line)
			}
			c.say("the root for the bundle is %s; keep copies of all these files offline", keyDir(dir).Root())
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&dir, "keys", "", "directory `DIR` to make them in")
	f.IntVar(&plan.RootKeys, "root-keys", 1, "how many root keys, `N`")
	f.IntVar(&plan.Threshold, "threshold", 1, "how many of them must sign, `M`")
	f.StringSliceVar(&plan.Contexts, "contexts", publish.Contexts, "release `CONTEXTS` to make keys for")
	return withExits(cmd, exitNotNow)
}

// ceremony opens a site to change its keys.
func (c *cli) ceremony(cmd *cobra.Command, where siteOptions) (*publish.Ceremony, error) {
	to, app, err := where.read(cmd)
	if err != nil {
		return nil, err
	}
	if where.keys == "" {
		return nil, wrongUse(cmd, "--keys is missing")
	}
	return publish.Change(cmd.Context(), to, app, keyDir(where.keys), time.Now())
}

func (c *cli) keysStatusCommand() *cobra.Command {
	var where siteOptions
	cmd := &cobra.Command{
		Use: "status --to PLACE --app ID --keys DIR", Short: "Tell who may sign what, and until when", Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			site, err := c.ceremony(cmd, where)
			if err != nil {
				return err
			}
			if c.json {
				return c.document(site.Holders())
			}
			var t table
			for _, h := range site.Holders() {
				var keys []string
				for _, k := range h.Keys {
					mark := ""
					if k.AtHand {
						mark = " (at hand)"
					}
					keys = append(keys, k.ID[:8]+mark)
				}
				t.add(string(h.Role), fmt.Sprintf("%d of %d", h.Threshold, len(h.Keys)), "until "+h.Expires.Format(time.DateOnly), strings.Join(keys, ", "))
			}
			for _, line := range t.lines("") {
				c.say("%s", line)
			}
			return nil
		},
	}
	where.flags(cmd)
	return withExits(c.printsJSON(cmd, "print the roles as JSON"), exitData, exitNotFound)
}

// changeOptions are those of the commands that change a role.
type changeOptions struct {
	siteOptions
	role    string
	pending string
}

func (o *changeOptions) flags(cmd *cobra.Command) {
	o.siteOptions.flags(cmd)
	cmd.Flags().StringVar(&o.role, "role", "", "`ROLE`: root, publisher, snapshot, timestamp, release-production …")
	cmd.Flags().StringVar(&o.pending, "pending", "pending-change.json", "`FILE` for the change, if more root keys must sign it")
}

func (o *changeOptions) parsed(cmd *cobra.Command) (trust.Role, error) {
	known := []string{"root", "publisher", "snapshot", "timestamp"}
	for _, context := range publish.Contexts {
		known = append(known, string(trust.ReleaseRole(context)))
	}
	if !slices.Contains(known, o.role) {
		return "", wrongUse(cmd, fmt.Sprintf("--role is %q, and must be %s", o.role, strings.Join(known, ", ")))
	}
	return trust.Role(o.role), nil
}

// change proposes edits and commits them, or leaves the change for others to sign.
func (c *cli) change(cmd *cobra.Command, o changeOptions, edits func(trust.Role, *publish.Ceremony) (trust.Edit, error)) error {
	role, err := o.parsed(cmd)
	if err != nil {
		return err
	}
	site, err := c.ceremony(cmd, o.siteOptions)
	if err != nil {
		return err
	}
	edit, err := edits(role, site)
	if err != nil {
		return err
	}
	// A key made just now may have to sign: open the directory again.
	if site, err = c.ceremony(cmd, o.siteOptions); err != nil {
		return err
	}
	pending, err := site.Propose([]trust.Edit{edit})
	if err != nil {
		return err
	}
	return c.settle(cmd, site, pending, o.pending)
}

func (c *cli) settle(cmd *cobra.Command, site *publish.Ceremony, pending *trust.Pending, file string) error {
	lacks := site.Accept(pending)
	if lacks == nil {
		if err := site.Commit(cmd.Context()); err != nil {
			return err
		}
		c.say("the site follows it from now on; its root is in the directory of keys, for the app's next version")
		return nil
	}
	if !errors.Is(lacks, asset.Sentinel(asset.CodeSignature)) {
		return lacks
	}
	text, err := json.MarshalIndent(pending, "", " ")
	if err != nil {
		return err
	}
	out := output{name: file, force: true}
	if err := out.writeText(cmd.Context(), text); err != nil {
		return err
	}
	c.say("%s", lacks)
	c.say("the change waits in %s: sign it with more keys (larder keys sign)", file)
	return told{exitNotNow}
}

func (c *cli) keysAddCommand() *cobra.Command {
	var o changeOptions
	var threshold int
	cmd := &cobra.Command{
		Use: "add --role ROLE --to PLACE --app ID --keys DIR", Short: "Make one more key for a role", Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.change(cmd, o, func(r trust.Role, _ *publish.Ceremony) (trust.Edit, error) {
				k, err := keyDir(o.keys).Generate(r)
				return trust.Edit{Role: r, Add: []trust.Key{k}, Threshold: threshold}, err
			})
		},
	}
	o.flags(cmd)
	cmd.Flags().IntVar(&threshold, "threshold", 0, "how many keys of the role must sign from now on, `M`")
	return withExits(cmd, exitData, exitNotFound, exitNotNow)
}

func (c *cli) keysRotateCommand() *cobra.Command {
	var o changeOptions
	cmd := &cobra.Command{
		Use: "rotate --role ROLE --to PLACE --app ID --keys DIR", Short: "Replace all keys of a role with one new key each", Args: takes(0, 0),
		Long: "Replace all keys of a role with new ones, as many. After a theft, or from time to time. Old files stay in the\n" +
			"directory of keys and are worth nothing any more.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.change(cmd, o, func(r trust.Role, site *publish.Ceremony) (trust.Edit, error) {
				edit := trust.Edit{Role: r}
				for _, h := range site.Holders() {
					if h.Role != r {
						continue
					}
					for _, old := range h.Keys {
						k, err := keyDir(o.keys).Generate(r)
						if err != nil {
							return edit, err
						}
						edit.Add, edit.Revoke = append(edit.Add, k), append(edit.Revoke, old.ID)
					}
				}
				return edit, nil
			})
		},
	}
	o.flags(cmd)
	return withExits(cmd, exitData, exitNotFound, exitNotNow)
}

func (c *cli) keysRevokeCommand() *cobra.Command {
	var o changeOptions
	cmd := &cobra.Command{
		Use: "revoke KEY... --role ROLE --to PLACE --app ID --keys DIR", Short: "Take keys from a role", Args: takes(1, 32),
		Long: "Take keys from a role. KEY is the beginning of its ID, of eight digits or more. What the key signed is signed anew by\n" +
			"the keys that remain, so one of them must be at hand.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.change(cmd, o, func(r trust.Role, _ *publish.Ceremony) (trust.Edit, error) {
				return trust.Edit{Role: r, Revoke: args}, nil
			})
		},
	}
	o.flags(cmd)
	return withExits(cmd, exitData, exitNotFound, exitNotNow)
}

func (c *cli) keysSignCommand() *cobra.Command {
	var where siteOptions
	cmd := &cobra.Command{
		Use: "sign PENDING --to PLACE --app ID --keys DIR", Short: "Sign a change that waits for more root keys", Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := packing.ReadBounded(args[0], 16<<20, "pending change")
			if err != nil {
				return err
			}
			pending, err := publish.ReadPending(text)
			if err != nil {
				return err
			}
			site, err := c.ceremony(cmd, where)
			if err != nil {
				return err
			}
			if err := site.Sign(pending); err != nil {
				return err
			}
			return c.settle(cmd, site, pending, args[0])
		},
	}
	where.flags(cmd)
	return withExits(cmd, exitData, exitNotFound, exitNotNow)
}

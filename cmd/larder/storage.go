package main

import (
	"strings"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/policy"
)

func (c *cli) storageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "storage", Short: "Who uses what of the disk, and what may go",
		Long: "Who uses what of the disk: files that wait to be taken (inbox), downloads that have not finished\n(partial), and what apps keep (container). " +
			"Purgeable is what Larder delivered and its app moved\nand never changed or copied: when the disk is critically low it is deleted, the apps that were\n" +
			"not used for longest first, and the apps are told.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return wrongUse(cmd, "there is no command \""+args[0]+"\"")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return c.storage(cmd) },
	}
	cmd.AddCommand(c.storagePurgeCommand())
	return withExits(c.printsJSON(cmd, "print it as JSON"), exitUnavailable)
}

func (c *cli) storage(cmd *cobra.Command) error {
	api, err := c.service(cmd.Context())
	if err != nil {
		return err
	}
	st, err := api.Storage(cmd.Context())
	if err != nil {
		return err
	}
	if c.json {
		return c.document(st)
	}
	t := table{right: []int{1, 2, 3, 4}}
	t.add("app", "inbox", "partial", "container", "purgeable")
	groups := map[asset.GroupID][]string{}
	for _, a := range st.Apps {
		t.add(string(a.ID), policy.Bytes(a.Inbox), policy.Bytes(a.Partial), policy.Bytes(a.Container), policy.Bytes(a.Purgeable))
		groups[a.Group] = append(groups[a.Group], string(a.ID))
	}
	if len(st.Apps) == 0 {
		c.note("%s", noApps)
	} else {
		for _, line := range t.lines("") {
			c.say("%s", line)
		}
	}
	for _, a := range st.Apps {
		if ids := groups[a.Group]; len(ids) > 1 {
			c.say("%s share one container", strings.Join(ids, ", "))
			delete(groups, a.Group)
		}
	}
	c.say("%s free; below %s files are purged, until %s are free", policy.Bytes(st.Free), policy.Bytes(st.Critical), policy.Bytes(st.Goal))
	for _, n := range st.Notes {
		c.say("%s", n)
	}
	return nil
}

func (c *cli) storagePurgeCommand() *cobra.Command {
	return withExits(c.printsJSON(&cobra.Command{
		Use: "purge [ID]", Short: "Delete now what is purgeable, of all apps or of one and those that share its container", Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := maybeAppID(cmd, args)
			if err != nil {
				return err
			}
			api, err := c.service(cmd.Context())
			if err != nil {
				return err
			}
			sum, err := api.Purge(cmd.Context(), id)
			if err != nil {
				return err
			}
			switch {
			case c.json:
				return c.document(sum)
			case !c.quiet:
				c.say("purged %s, %s", counted(sum.Files, "file"), policy.Bytes(sum.Bytes))
			}
			return nil
		},
	}, "print what was deleted as JSON"), exitNotFound, exitUnavailable)
}

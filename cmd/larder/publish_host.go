package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/host/access"
	"larder/internal/host/publisher"
	"larder/internal/policy"
	"larder/internal/publish"
)

// apiKey is the environment variable with a publisher's key. A flag would stand in the
// list of processes.
const apiKey = "LARDER_API_KEY"

// publishToHost is "publish --host".
func (c *cli) publishToHost(cmd *cobra.Command, url string, where siteOptions, o publish.Options) (err error) {
	switch {
	case where.to != "" || where.keys != "":
		return wrongUse(cmd, "--host goes without --to and --keys: the host signs")
	case where.app == "":
		return wrongUse(cmd, "--app is missing")
	case len(o.Inputs) == 0:
		return wrongUse(cmd, "nothing to publish is named")
	case !slices.Contains(publish.Contexts, o.Context):
		return wrongUse(cmd, fmt.Sprintf("there is no context %q: it is %s", o.Context, strings.Join(publish.Contexts, ", ")))
	}
	app, err := appID(cmd, where.app)
	if err != nil {
		return err
	}
	secret := os.Getenv(apiKey)
	if secret == "" {
		return &asset.Error{Code: asset.CodeConfiguration, Op: "publish", Subject: apiKey, Message: "the environment has no API key",
			Help: "set it to what \"larder host\" printed at its first start, or to a key that its administrator made"}
	}
	key, err := access.ParseSecret(secret)
	if err != nil {
		return err
	}
	host, err := publisher.At(url, key)
	if err != nil {
		return err
	}
	to := publisher.Options{App: app, Inputs: o.Inputs, Context: o.Context, AppVersions: o.AppVersions, Compress: o.Compress,
		Events:  publish.Events{Building: c.bar("packing"), Uploading: c.bar("uploading")},
		Waiting: func(id asset.PackID, why string) { c.note("%s: %s", id, why) }}
	if to.Scratch, err = os.MkdirTemp("", "larder-publish-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(to.Scratch)) }()
	done, err := host.Publish(cmd.Context(), to)
	if err != nil {
		return err
	}
	if c.json {
		return c.document(done)
	}
	c.tellHosted(done)
	return nil
}

func (c *cli) tellHosted(done *publisher.Report) {
	var t table
	for _, row := range done.Packs {
		t.add(string(row.ID), fmt.Sprintf("version %d", row.Version), string(row.Action), policy.Bytes(row.Size), strings.ToLower(strings.ReplaceAll(row.State, "_", " ")))
	}
	for _, line := range t.lines("") {
		c.say("%s", line)
	}
	for _, row := range done.Packs {
		for _, note := range row.Notes {
			c.note("%s: %s", row.ID, note)
		}
	}
}

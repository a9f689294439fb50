package main

import (
	"time"

	"github.com/spf13/cobra"

	"larder/internal/host"
	"larder/internal/host/access"
)

// hostDir is the flag of the commands that look after a host's directory.
func hostDir(cmd *cobra.Command, dir *string) *cobra.Command {
	cmd.Flags().StringVar(dir, "dir", "", "the host's directory `DIR`")
	return withExits(cmd, exitData, exitNotFound, exitNotNow)
}

func (c *cli) hostDoctorCommand() *cobra.Command {
	var dir string
	var deep bool
	cmd := &cobra.Command{
		Use: "doctor --dir DIR", Short: "Look whether a host's directory is sound", Args: takes(0, 0),
		Long: "Look whether a host's directory is sound: that all files are there which it needs, that what devices read is signed, that no\n" +
			"job is stuck and the disk has room. It changes nothing, and the host may run. With --deep every byte is read.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return wrongUse(cmd, "--dir is missing")
			}
			found, err := host.Doctor(cmd.Context(), dir, deep, time.Now())
			if err != nil {
				return err
			}
			exit := exitOK
			for _, f := range found {
				if f.Bad {
					exit = exitData
				}
			}
			if c.json {
				if err := c.document(found); err != nil {
					return err
				}
				return told{exit}.orNil()
			}
			for _, f := range found {
				switch {
				case !f.Bad:
					c.say("good  %s", f.Text)
				default:
					c.say("BAD   %s", f.Text)
					c.say("      %s", f.Help)
				}
			}
			return told{exit}.orNil()
		},
	}
	cmd.Flags().BoolVar(&deep, "deep", false, "read every blob")
	return hostDir(c.printsJSON(cmd, "print what was found as JSON"), &dir)
}

// orNil is no error if all is well.
func (e told) orNil() error {
	if e.exit == exitOK {
		return nil
	}
	return e
}

func (c *cli) hostKeyCommand() *cobra.Command {
	var dir, file string
	cmd := &cobra.Command{
		Use: "new-admin-key --dir DIR", Short: "Make one more key of an administrator", Args: takes(0, 0),
		Long: "Make one more key of an administrator, when the first one was lost. It is printed, once, or written to a file; the host may\n" +
			"run. The old one can be revoked with it.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return wrongUse(cmd, "--dir is missing")
			}
			var made madeKey
			err := host.NewAdmin(cmd.Context(), dir, func(k access.Credential) error { return made.take(k, file) }, time.Now())
			if err != nil {
				return err
			}
			if made.file != "" {
				c.say("kept in %s", made.file)
			} else {
				c.say("%s=%s", apiKey, made.secret)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "admin-key", "", "write the key to `FILE`, and do not print it")
	return hostDir(cmd, &dir)
}

func (c *cli) hostBackupCommand() *cobra.Command {
	var dir, to string
	cmd := &cobra.Command{
		Use: "backup --dir DIR --to BACKUP", Short: "Copy a host, while it runs", Args: takes(0, 0),
		Long: "Copy a host's directory into another, while the host runs or not. A later backup into the same directory copies only what is\n" +
			"new. It holds the keys that sign: keep it as safe as the host.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" || to == "" {
				return wrongUse(cmd, "--dir or --to is missing")
			}
			return host.Backup(cmd.Context(), dir, to)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "directory `BACKUP` to write")
	return hostDir(cmd, &dir)
}

func (c *cli) hostRestoreCommand() *cobra.Command {
	var dir, from, place string
	var where siteOptions
	cmd := &cobra.Command{
		Use: "restore --from BACKUP --dir DIR [--site SITE]", Short: "Make a host's directory of a backup", Args: takes(0, 0),
		Long: "Make a host's directory of a backup. Start the host on it then: it publishes anew what the backup knew, and signs it above all\n" +
			"that devices may have seen since. The next version of each pack has a number that is higher by a thousand: a device that has a\n" +
			"version which the backup does not know keeps it until then.\n\n" +
			"If keys were changed after the backup was made (\"larder keys rotate\"), devices follow the new ones alone, and refuse what the keys of\n" +
			"the backup sign. Only what they read until now can tell: name with --site an export, a mirror or the old host's folder \"site\". The\n" +
			"restored host goes on from what is signed there, and nothing is restored while it lacks a key for that.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" || from == "" {
				return wrongUse(cmd, "--dir or --from is missing")
			}
			r := host.Restoration{From: from, Dir: dir, Now: time.Now()}
			if place != "" {
				var err error
				if r.Site, err = where.store(cmd, place); err != nil {
					return err
				}
			}
			all, err := host.Restore(cmd.Context(), r)
			if err != nil {
				return err
			}
			if place == "" {
				c.note("if keys were changed after the backup was made, devices refuse what this host signs: restore it with --site then")
			}
			for _, a := range all {
				if a.Later {
					c.say("%s: its keys were changed after the backup was made; the host goes on from what is signed in %s (root %d)", a.App, place, a.Root)
				} else {
					c.say("%s: its keys are those of the backup (root %d)", a.App, a.Root)
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "directory `BACKUP` that \"larder host backup\" wrote")
	cmd.Flags().StringVar(&place, "site", "", "what devices read until now: `SITE`, a folder or s3://BUCKET/PREFIX")
	where.bucketFlags(cmd)
	return hostDir(cmd, &dir)
}

func (c *cli) hostExportCommand() *cobra.Command {
	var dir, to string
	cmd := &cobra.Command{
		Use: "export --dir DIR --to FOLDER", Short: "Copy what devices read into a folder", Args: takes(0, 0),
		Long: "Copy what devices read into a folder, which any web server, bucket or CDN may deliver below /larder/v1/ without a host. The folder is\n" +
			"whole at every moment; a later export copies only what is new.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" || to == "" {
				return wrongUse(cmd, "--dir or --to is missing")
			}
			return host.Export(cmd.Context(), dir, to)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "`FOLDER` to write")
	return hostDir(cmd, &dir)
}

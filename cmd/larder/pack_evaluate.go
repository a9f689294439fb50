package main

import (
	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/policy"
	"larder/pack"
)

func (c *cli) packEvaluateCommand() *cobra.Command {
	return withExits(c.printsJSON(&cobra.Command{
		Use: "evaluate MANIFEST", Short: "Show which files a packaging manifest selects", Args: takes(1, 1),
		Long: "Show which files a packaging manifest selects, one per line: its path in the pack, then where it comes from if that\n" +
			"is elsewhere. Or list every fault with its line and mend. Writes nothing.",
		RunE: func(cmd *cobra.Command, args []string) error { return c.evaluate(cmd, args[0]) },
	}, "print the selection, or the faults, as JSON"), exitData, exitNotFound)
}

// evaluated is what "pack evaluate --json" prints.
type evaluated struct {
	AssetPackID asset.PackID    `json:"assetPackID"`
	SourceRoot  string          `json:"sourceRoot"`
	Bytes       int64           `json:"bytes"`
	Files       []evaluatedFile `json:"files"`
	Notes       []string        `json:"notes"`
}

type evaluatedFile struct {
	pack.Entry
	Source   string         `json:"source"`
	Selector asset.Selector `json:"selector"`
	Line     int            `json:"line"`
}

func (c *cli) evaluate(cmd *cobra.Command, file string) error {
	m, sel, err := c.selection(cmd, file)
	if err != nil {
		return err
	}
	defer sel.Close()
	if c.json {
		out := evaluated{m.AssetPackID, m.Root, sel.Bytes(), []evaluatedFile{}, append([]string{}, sel.Notes...)}
		for _, item := range sel.Items {
			out.Files = append(out.Files, evaluatedFile{item.Entry, item.From, *item.Selector, item.Selector.Line})
		}
		return c.document(out)
	}
	for _, item := range sel.Items {
		line := entryName(item.Entry)
		if item.From != item.Path {
			line += " <- " + item.From
		}
		c.say("%s", line)
	}
	c.note("%s: %s, %s", m.AssetPackID, counted(len(sel.Items), "entry"), policy.Bytes(sel.Bytes()))
	return nil
}

// entryName is a path as "ls -F" marks it.
func entryName(e pack.Entry) string {
	switch e.Kind {
	case pack.KindDirectory:
		return e.Path + "/"
	case pack.KindLink:
		return e.Path + " -> " + e.Target
	}
	return e.Path
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"larder/internal/policy"
	"larder/pack"
)

func (c *cli) packPlanCommand() *cobra.Command {
	var with, fine string
	cmd := &cobra.Command{
		Use: "plan NEW [OLD...]", Short: "Tell what a device with these packs must fetch and write for a new one", Args: takes(1, 1<<10),
		Long: "Tell what a device that has all the packs OLD installed must fetch and write for the pack NEW. Files of any of them\n" +
			"serve as old bytes. Without OLD it is a first installation. Indexes alone are enough.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.plan(cmd.Context(), args[0], args[1:], with, fine)
		},
	}
	cmd.Flags().StringVar(&with, "delta", "", "a delta to NEW from one of OLD, in `FILE`")
	cmd.Flags().StringVar(&fine, "fine", "", "the fine file of NEW, in `FILE`; OLD are whole packs then")
	return withExits(c.printsJSON(cmd, "print the figures as JSON"), exitData, exitNotFound)
}

// planned is what "pack plan --json" prints.
type planned struct {
	File string   `json:"file"`
	Olds []string `json:"olds"`
	Size int64    `json:"size"`           // of the whole pack
	Head int64    `json:"head,omitempty"` // of the delta: what comes before its blocks
	pack.Figures
}

func (c *cli) plan(ctx context.Context, name string, olds []string, with, fine string) (err error) {
	target, err := openPack(name)
	if err != nil {
		return err
	}
	defer target.file.Close()
	var installed []pack.Installed
	for i, old := range olds {
		p, openErr := openPack(old)
		if openErr != nil {
			return openErr
		}
		defer func() { err = errors.Join(err, p.file.Close()) }()
		installed = append(installed, pack.Installed{Archive: p.Archive, Dir: fmt.Sprintf("old-%d", i)})
	}
	var opts pack.PlanOptions
	var d *openedDelta
	head := int64(0)
	if with != "" {
		if d, err = openDelta(with); err != nil {
			return err
		}
		defer d.file.Close()
		opts.Deltas, head = []*pack.Delta{d.Delta}, d.Head()
	}
	if fine != "" {
		f, closeFile, openErr := openFine(fine)
		if openErr != nil {
			return openErr
		}
		defer func() { err = errors.Join(err, closeFile()) }()
		opts.Fine = f
	}
	plan, err := pack.NewPlan(ctx, target.Archive, installed, opts)
	if err != nil {
		return named(name, err)
	}
	size := target.Totals().Size
	if c.json {
		return c.document(planned{name, append([]string{}, olds...), size, head, plan.Figures()})
	}
	var t table
	t.add("pack", fmt.Sprintf("%s, %s", name, policy.Bytes(size)))
	for _, row := range slices.Concat(figures(plan.Figures(), size), deltaFigures(plan.Figures(), d), fineFigures(plan.Figures(), fine)) {
		t.add(row[0], row[1])
	}
	for _, line := range t.lines("") {
		c.say("%s", line)
	}
	return nil
}

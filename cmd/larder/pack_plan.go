package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"larder/internal/policy"
	"larder/pack"
)

func (c *cli) packPlanCommand() *cobra.Command {
	return withExits(c.printsJSON(&cobra.Command{
		Use: "plan NEW [OLD...]", Short: "Tell what a device with these packs must fetch and write for a new one", Args: takes(1, 1<<10),
		Long: "Tell what a device that has all the packs OLD installed must fetch and write for the pack NEW. Files of any of them\n" +
			"serve as old bytes. Without OLD it is a first installation. Indexes alone are enough.",
		RunE: func(cmd *cobra.Command, args []string) error { return c.plan(cmd.Context(), args[0], args[1:]) },
	}, "print the figures as JSON"), exitData, exitNotFound)
}

// planned is what "pack plan --json" prints.
type planned struct {
	File string   `json:"file"`
	Olds []string `json:"olds"`
	Size int64    `json:"size"` // of the whole pack
	pack.Figures
}

func (c *cli) plan(ctx context.Context, name string, olds []string) (err error) {
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
	plan, err := pack.NewPlan(ctx, target.Archive, installed, pack.PlanOptions{})
	if err != nil {
		return named(name, err)
	}
	size := target.Totals().Size
	if c.json {
		return c.document(planned{name, append([]string{}, olds...), size, plan.Figures()})
	}
	var t table
	t.add("pack", fmt.Sprintf("%s, %s", name, policy.Bytes(size)))
	for _, row := range figures(plan.Figures(), size) {
		t.add(row[0], row[1])
	}
	for _, line := range t.lines("") {
		c.say("%s", line)
	}
	return nil
}

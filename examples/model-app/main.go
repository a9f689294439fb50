// Model-app is an app that runs a large model and keeps it current: the model is an asset
// pack, mapped into memory and never copied. A newer version comes in the background, as far as
// possible from the bytes of the old one; the app moves to it between two answers, all of a
// sudden, and never while it computes. README.md says how to run it.
//
//	model-app           answers once, with the model that is installed
//	model-app -latest   waits for the newest model first
//	model-app -follow   answers again each time that a newer model is there
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"larder/asset"
	"larder/client"
)

const model asset.PackID = "model"

const (
	weights = "model/weights.bin"
	card    = "model/card.txt"
	words   = "words/says.txt" // in each language's pack; the manager prefers the resolved one
)

func main() {
	latest := flag.Bool("latest", false, "wait for the newest model first")
	follow := flag.Bool("follow", false, "answer again each time that a newer model is there")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *latest, *follow); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "model-app:", err)
		var e *asset.Error
		if errors.As(err, &e) && e.Help != "" {
			fmt.Fprintln(os.Stderr, "  "+e.Help)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, latest, follow bool) error {
	m, err := client.OpenAssetPacks(ctx, client.Options{})
	if err != nil {
		return err
	}
	defer m.Close()
	if err := m.EnsureLocalAvailability(ctx, client.EnsureOptions{RequireLatestVersions: latest}, model); err != nil {
		return err
	}
	if err := answer(m); err != nil || !follow {
		return err
	}
	for u, err := range m.StatusUpdates(ctx) {
		if err != nil {
			return err
		}
		if u.Pack != model || u.Type != asset.EventFinished {
			continue
		}
		if t := u.Traffic; t != nil {
			fmt.Printf("model %d: %d bytes fetched, %d reused\n", u.Version, t.Network, t.Reused)
		}
		if err := answer(m); err != nil {
			return err
		}
	}
	return nil
}

// answer moves to the newest model that is installed and computes with it.
func answer(m *client.AssetPackManager) error {
	if _, err := m.Refresh(); err != nil {
		return err
	}
	name, err := m.Contents(card, client.In{Pack: model})
	if err != nil {
		return err
	}
	w, err := m.Map(weights, client.In{Pack: model})
	if err != nil {
		return err
	}
	defer w.Close()
	says := []byte("says")
	if text, err := m.Contents(words, client.In{}); err == nil {
		says = text
	}
	fmt.Printf("%s %s %08x\n", firstLine(name), firstLine(says), infer(w.Bytes))
	return nil
}

func firstLine(text []byte) string {
	for n, b := range text {
		if b == '\n' {
			return string(text[:n])
		}
	}
	return string(text)
}

// infer stands for what a real app does with its weights: it reads all of them.
func infer(weights []byte) uint32 {
	h := uint32(2166136261)
	for _, b := range weights {
		h = (h ^ uint32(b)) * 16777619
	}
	return h
}

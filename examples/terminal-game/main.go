// Terminal-game is a small game in a terminal whose levels and texts are asset packs: the
// tutorial is essential, level 2 is fetched behind it, level 3 when a player gets there, and
// of the texts only those of the player's language are kept. README.md says how to run it.
//
// It shows what an app does with managed packs: open the manager, ensure what it is about to
// need, and read files. It holds for any game: replace the maze by yours.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"

	"larder/asset"
	"larder/client"
)

// levels are the packs, in the order they are played.
var levels = []asset.PackID{"tutorial", "level-2", "level-3"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := play(ctx, os.Stdin, os.Stdout); err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, "terminal-game:", err)
		var e *asset.Error
		if errors.As(err, &e) && e.Help != "" {
			fmt.Fprintln(os.Stderr, "  "+e.Help)
		}
		os.Exit(1)
	}
}

func play(ctx context.Context, in io.Reader, out io.Writer) error {
	m, err := client.OpenAssetPacks(ctx, client.Options{})
	if err != nil {
		return err
	}
	defer m.Close()
	g := game{m: m, in: bufio.NewScanner(in), out: out}
	fmt.Fprintln(out, g.text("welcome"))
	for n, id := range levels {
		// Even an essential pack may lack: the gate opens, too, when its download has failed.
		if err := g.stock(ctx, id); err != nil {
			return err
		}
		if err := g.level(n + 1); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, g.text("won"))
	return nil
}

type game struct {
	m   *client.AssetPackManager
	in  *bufio.Scanner
	out io.Writer
}

// text finds a line of the player's language: text/game.txt has one in each language's pack,
// and the manager prefers the resolved one.
func (g *game) text(key string) string {
	file, err := fs.ReadFile(g.m.FS(), "text/game.txt")
	if err != nil {
		return "(" + key + ")"
	}
	for line := range strings.Lines(string(file)) {
		if k, words, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && k == key {
			return words
		}
	}
	return "(" + key + ")"
}

// stock has a level on the disk, and shows how it comes if it takes a while.
func (g *game) stock(ctx context.Context, id asset.PackID) error {
	if g.m.IsAvailableLocally(id) {
		return g.m.EnsureLocalAvailability(ctx, client.EnsureOptions{}, id)
	}
	fmt.Fprintln(g.out, g.text("loading"), id)
	watching, done := context.WithCancel(ctx)
	defer done()
	go func() {
		for u, err := range g.m.StatusUpdatesFor(watching, id) {
			if err == nil && u.Type == asset.EventProgress && u.TotalBytes > 0 {
				fmt.Fprintf(g.out, "  %d %%\n", u.Bytes*100/u.TotalBytes)
			}
		}
	}()
	return g.m.EnsureLocalAvailability(ctx, client.EnsureOptions{}, id)
}

// moves are what a player types.
var moves = map[byte][2]int{'w': {0, -1}, 'a': {-1, 0}, 's': {0, 1}, 'd': {1, 0}}

// level is a maze in which '#' is a wall, '@' the player and '>' the way out.
func (g *game) level(n int) error {
	file, err := fs.ReadFile(g.m.FS(), fmt.Sprintf("levels/%d.txt", n))
	if err != nil {
		return err
	}
	rows := strings.Split(strings.TrimRight(string(file), "\n"), "\n")
	var at [2]int
	for y, row := range rows {
		if x := strings.IndexByte(row, '@'); x >= 0 {
			at = [2]int{x, y}
			rows[y] = strings.Replace(row, "@", " ", 1)
		}
	}
	cell := func(x, y int) byte {
		if y < 0 || y >= len(rows) || x < 0 || x >= len(rows[y]) {
			return '#'
		}
		return rows[y][x]
	}
	fmt.Fprintf(g.out, "%s %d\n", g.text("level"), n)
	for {
		for y, row := range rows {
			if y == at[1] {
				row = row[:at[0]] + "@" + row[at[0]+1:]
			}
			fmt.Fprintln(g.out, row)
		}
		fmt.Fprintln(g.out, g.text("move"))
		if !g.in.Scan() {
			return io.EOF
		}
		for _, key := range []byte(g.in.Text()) {
			if key == 'q' {
				return io.EOF
			}
			step := moves[key]
			if next := cell(at[0]+step[0], at[1]+step[1]); next != '#' {
				at[0], at[1] = at[0]+step[0], at[1]+step[1]
			}
			if cell(at[0], at[1]) == '>' {
				fmt.Fprintln(g.out, g.text("out"))
				return nil
			}
		}
	}
}

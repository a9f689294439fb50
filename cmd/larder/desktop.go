package main

import (
	"os"
	"runtime"

	"larder/asset"
	"larder/internal/bundle"
	"larder/internal/desktop"
)

// menu is what the person said about a menu entry.
type menu struct{ want, refuse bool }

// wanted is true on Linux, unless the person refused or uses a data directory of
// their own choice: those are for trying things out.
func (m menu) wanted(c *cli) bool {
	return runtime.GOOS == "linux" && !m.refuse && (m.want || !c.elsewhere())
}

// addToMenu writes the menu entry of an installed app. The app is installed
// whatever becomes of its entry, so a failure is only told.
func (c *cli) addToMenu(dir string, app asset.AppID) {
	name, err := c.writeEntry(dir, app)
	if err != nil {
		c.note("no menu entry: %s", err)
		return
	}
	c.note("wrote the menu entry %s", name)
}

func (c *cli) writeEntry(dir string, app asset.AppID) (string, error) {
	b, err := bundle.Read(dir)
	if err != nil {
		return "", err
	}
	program, err := lastingProgram()
	if err != nil {
		return "", err
	}
	d, err := c.dirs()
	if err != nil {
		return "", err
	}
	e := desktop.Entry{App: app, Name: b.Name, Icon: b.Icon, Program: program, Data: d.Data}
	if c.elsewhere() {
		e.Args = []string{"--data", d.Data}
	}
	return e.Write(menuFolder())
}

// refreshMenu rewrites the entry that an app has, after an update from dir.
func (c *cli) refreshMenu(dir string, app asset.AppID) {
	d, err := c.dirs()
	if err != nil || dir == "" || runtime.GOOS != "linux" || !desktop.Exists(menuFolder(), app, d.Data) {
		return
	}
	if _, err := c.writeEntry(dir, app); err != nil {
		c.note("the menu entry is as it was: %s", err)
	}
}

// removeFromMenu removes the entry of an uninstalled app.
func (c *cli) removeFromMenu(app asset.AppID) error {
	d, err := c.dirs()
	if err != nil || runtime.GOOS != "linux" {
		return err
	}
	return desktop.Remove(menuFolder(), app, d.Data)
}

func menuFolder() string { return desktop.Folder(os.Getenv("HOME"), os.Getenv("XDG_DATA_HOME")) }

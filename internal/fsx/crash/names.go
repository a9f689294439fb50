package crash

import (
	"errors"
	"path/filepath"
	"slices"
)

// node is a file or directory, whatever its name. The tree of nodes mirrors the
// real one as far as it was touched.
type node struct {
	parent   *node // nil for the root and for what has no name
	name     string
	aside    string // where it really is while it is removed but may come back
	dir      bool
	children map[string]*node
	undo     *undo           // of unsynced bytes
	others   map[string]item // what is durable of what others wrote here; nil: nobody does
}

// slot is a place for a name.
type slot struct {
	dir  *node
	name string
}

func (n *node) slot() slot { return slot{n.parent, n.name} }

func (n *node) attach(dir *node, name string) {
	if dir.children == nil {
		dir.children = map[string]*node{}
	}
	dir.children[name] = n
	n.parent, n.name, n.aside = dir, name, ""
}

func (n *node) detach() {
	delete(n.parent.children, n.name)
	n.parent = nil
}

// lookup is the node of what exists at these elements below the root.
func (c *FS) lookup(elems []string) *node {
	at := c.top
	for _, elem := range elems {
		at.dir = true
		next := at.children[elem]
		if next == nil {
			next = &node{}
			next.attach(at, elem)
		}
		at = next
	}
	return at
}

// errGone is said of a node that has no file any more.
var errGone = errors.New("the file is gone")

// path is where the node's file really is, or errGone.
func (c *FS) path(n *node) (string, error) {
	switch {
	case n == c.top:
		return c.root, nil
	case n.aside != "":
		return n.aside, nil
	case n.parent == nil:
		return "", errGone
	}
	dir, err := c.path(n.parent)
	return filepath.Join(dir, n.name), err
}

// change is one step on names that is not yet durable. A created node has no
// from, a removed one no to.
type change struct {
	n        *node
	from, to slot
	replaced *node   // what had the name to
	unsynced []*node // the directories whose sync it waits for
	barrier  bool    // makes all before it durable with itself
}

func (c *FS) record(ch *change) {
	if ch.from.dir != nil {
		ch.unsynced = append(ch.unsynced, ch.from.dir)
	}
	if ch.to.dir != nil && ch.to.dir != ch.from.dir {
		ch.unsynced = append(ch.unsynced, ch.to.dir)
	}
	ch.barrier = ch.n.dir && len(ch.unsynced) == 2
	c.log = append(c.log, ch)
}

// victim is what has no name any more, or nil.
func (ch *change) victim() *node {
	if ch.to.dir == nil {
		return ch.n
	}
	return ch.replaced
}

// settle makes durable what waits for dir alone, and with it what it rests on:
// earlier changes of the same slots, and of slots in a directory that is gone.
func (c *FS) settle(dir *node) {
	slots, gone, all := map[slot]bool{}, map[*node]bool{}, false
	var pending []*change
	for _, ch := range slices.Backward(c.log) {
		ch.unsynced = slices.DeleteFunc(ch.unsynced, func(n *node) bool { return n == dir })
		if !all && len(ch.unsynced) > 0 && !slots[ch.from] && !slots[ch.to] && !gone[ch.from.dir] && !gone[ch.to.dir] {
			pending = append(pending, ch)
			continue
		}
		for _, at := range []slot{ch.from, ch.to} {
			if at.dir != nil {
				slots[at] = true
			}
		}
		if v := ch.victim(); v != nil {
			gone[v] = true
			c.discard(v)
		}
		all = all || ch.barrier
	}
	slices.Reverse(pending)
	c.log = pending
}

// discard forgets a file that is durably removed. What cannot be deleted now
// goes with the private folder.
func (c *FS) discard(n *node) {
	_ = c.base.Remove(n.aside)
	n.aside = ""
	c.clean(n)
}

// revert takes one change back. Later ones must have been taken back before.
func (c *FS) revert(ch *change) error {
	if ch.from.dir == nil {
		path, err := c.path(ch.n)
		if err != nil {
			return err
		}
		ch.n.detach()
		return c.base.RemoveAll(path)
	}
	if err := c.putBack(ch.n, ch.from); err != nil || ch.replaced == nil {
		return err
	}
	return c.putBack(ch.replaced, ch.to)
}

func (c *FS) putBack(n *node, at slot) error {
	from, err := c.path(n)
	if err != nil {
		return err
	}
	dir, err := c.path(at.dir)
	if err != nil {
		return err
	}
	if err := c.base.Rename(from, filepath.Join(dir, at.name)); err != nil {
		return err
	}
	if n.parent != nil {
		n.detach()
	}
	n.attach(at.dir, at.name)
	return nil
}

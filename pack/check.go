package pack

import "slices"

// Check gives the errors of all entries that no pack may hold, at most a hundred:
// those for which Build would fail before it reads a file.
func (t Tree) Check() (faults []error) {
	sources := slices.Clone(t.Sources)
	slices.SortFunc(sources, func(a, b Source) int { return comparePaths(a.Path, b.Path) })
	all := newCensus(opBuild)
	for _, s := range sources {
		if err := all.add(s.Entry); err != nil {
			if faults = append(faults, err); len(faults) == 100 {
				break
			}
		}
	}
	return faults
}

package pack

import "slices"

// Check gives the errors of all entries that no pack may hold, at most a hundred:
// those for which Build would fail before it reads a file.
func (t Tree) Check() (faults []error) {
	order := make([]int32, len(t.Sources)) // a million sources are too large to be copied for this
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return comparePaths(t.Sources[a].Path, t.Sources[b].Path) })
	all := newCensus(opBuild)
	for _, i := range order {
		if err := all.add(t.Sources[i].Entry); err != nil {
			if faults = append(faults, err); len(faults) == 100 {
				break
			}
		}
	}
	return faults
}

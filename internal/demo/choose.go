package demo

// choose marks as essential what an app needs to start: its programs, one by
// one while they come to no more than half of the bytes, and then whatever comes
// next until a third is reached. The rest follows while the app is open. Items
// come back with the essential ones first, otherwise in their order.
func choose(items []*item) []*item {
	var sum, bytes int64
	for _, it := range items {
		bytes += it.Size
	}
	take := func(it *item) {
		it.Essential = true
		sum += it.Size
	}
	for _, it := range items {
		if it.program && sum+it.Size <= bytes/2 {
			take(it)
		}
	}
	for _, it := range items {
		if sum*3 < bytes && !it.Essential {
			take(it)
		}
	}
	var first, second []*item
	for _, it := range items {
		if it.Essential {
			first = append(first, it)
		} else {
			second = append(second, it)
		}
	}
	return append(first, second...)
}

// programs reports whether everything essential is a program.
func programs(items []*item) bool {
	for _, it := range items {
		if it.Essential && !it.program {
			return false
		}
	}
	return true
}

package delta

// Media and archives give noise to a parser: looking for what is equal takes all
// the time and finds nothing. Where a stretch is dull it looks at every few bytes
// only, which is enough for what is equal by more than chance.
const (
	dullStretch = 4 << 10
	dullStep    = 16
	dullLeast   = 6 // bytes of a copy: shorter ones are equal by chance, and cost the literals around them more

	// The counts of bytes in a stretch, squared and summed: noise gives 69,632 in the
	// mean, deflated and coded media little more, text and programs several times that.
	dullSum = 80_000
)

// dullness tells for each stretch of a block whether its bytes are as noise, and
// the old payload has none of them.
func dullness(block []byte, far []match) []bool {
	dull := make([]bool, len(block)/dullStretch+1) // a last short stretch is not
	for i := range len(block) / dullStretch {
		var counts [256]int
		for _, c := range block[i*dullStretch : (i+1)*dullStretch] {
			counts[c]++
		}
		sum := 0
		for _, n := range counts {
			sum += n * n
		}
		dull[i] = sum < dullSum
	}
	for _, m := range far {
		for i := m.pos / dullStretch; i <= (m.pos+m.n-1)/dullStretch; i++ {
			dull[i] = false
		}
	}
	return dull
}

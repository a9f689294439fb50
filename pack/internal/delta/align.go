package delta

// alignRoom is how far from where a piece probably stands it is looked for.
const alignRoom = 64 << 10

// Align finds long matches of a block's pieces around where they probably stand in the
// old payload, so that nothing else need be looked through for them.
func (m *Matches) Align(block []byte, pieces []Piece, old *Window) {
	pos := 0
	for _, p := range pieces {
		if p.Hint >= 0 {
			from := max(0, p.Hint-alignRoom)
			region := make([]byte, max(0, min(old.size, p.Hint+int64(p.Len)+alignRoom)-from))
			old.read(region, from)
			for _, found := range newFarIndex(region, from, nil).scan(block[pos:pos+p.Len], longMatch, nil) {
				found.pos += pos
				m.list = append(m.list, found)
			}
		}
		pos += p.Len
	}
}

// Left counts the bytes of a block that have no long match yet.
func (m *Matches) Left(block []byte) (n int) {
	known := long(m.list)
	for i := 0; i < len(block); i++ {
		if i, known = past(i, known); i < len(block) {
			n++
		}
	}
	return n
}

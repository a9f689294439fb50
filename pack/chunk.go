package pack

import (
	"bufio"
	"io"

	cdc "github.com/buildbarn/go-cdc"
)

// Chunk sizes in bytes. They are part of what "content" means: with others, the
// same tree would have another name.
const (
	minChunk     = 16 << 10
	averageChunk = 64 << 10
	maxChunk     = 256 << 10
)

var cutter = cdc.NewFastContentDefinedChunker(&cdc.FastContentDefinedChunkerGearTable, averageChunk)

// cut gives the chunks of one file, in order: FastCDC with the sizes above
// (doc/pack-format.md, "Chunks"). Each slice holds until yield returns. r's
// buffer is at least maxChunk.
func cut(r *bufio.Reader, yield func(chunk []byte) error) error {
	chunks := cutter.NewChunkReader(r)
	for {
		chunk, err := chunks.ReadNextChunk()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := yield(chunk); err != nil {
			return err
		}
	}
}

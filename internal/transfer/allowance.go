package transfer

import "larder/asset"

// Allowance bounds the body bytes that a job may receive, those that are given up
// later included. Its methods are called from the goroutine that runs Fetch.
type Allowance interface {
	// Announce hears how many bytes a body will bring before one of them is read,
	// -1 when nobody says. Its error ends the transfer for good.
	Announce(n int64) *asset.Error
	// Draw asks for the next n bytes and gives how many of them may come. When
	// none may, the error is for a body that has not ended there.
	Draw(n int) (int, *asset.Error)
	// Received tells how many bytes came.
	Received(n int)
}

// unlimited is the Allowance of a job without one.
type unlimited struct{}

func (unlimited) Announce(int64) *asset.Error    { return nil }
func (unlimited) Draw(n int) (int, *asset.Error) { return n, nil }
func (unlimited) Received(int)                   {}

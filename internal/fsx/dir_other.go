//go:build !linux

package fsx

import "os"

func noBeneath(error) bool { return false }

func anchor(*os.Root) *os.File { return nil }

func openBeneath(*os.File, string, string) (*os.File, error) { return nil, os.ErrInvalid }

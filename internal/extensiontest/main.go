// Package extensiontest makes a test binary the extension of a test's app. Only
// tests import it.
package extensiontest

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"larder/extension"
)

// Main is extension.Main, but for its end: the race detector makes os.Exit wait a
// second, and a test starts its extension many times.
func Main(ext extension.Downloader) {
	out := os.Stdout
	os.Stdout = os.Stderr
	if err := extension.Run(context.Background(), os.Stdin, out, ext, extension.Config{}); err != nil {
		fmt.Fprintln(os.Stderr, "extension:", err)
		syscall.Exit(1)
	}
	syscall.Exit(0)
}

//go:build unix

package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"larder/asset"
	"larder/extension"
)

// testManifest is the manifest of the apps in the scripts.
type testManifest struct {
	Crash     bool             `json:"crash"`
	Downloads []asset.Download `json:"downloads"`
}

// testExtension answers what the manifest lists, and moves what came into the container.
type testExtension struct{}

func (testExtension) Downloads(_ context.Context, r extension.Request) ([]asset.Download, error) {
	data, err := os.ReadFile(r.ManifestPath)
	if err != nil {
		return nil, err
	}
	var m testManifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, err
	}
	if m.Crash {
		os.Exit(3)
	}
	return m.Downloads, nil
}

func (testExtension) BackgroundDownloadFinished(_ context.Context, d asset.Download, filePath string, _ extension.Service) error {
	return os.Rename(filePath, filepath.Join(extension.Container(), d.Identifier))
}

//go:build unix

package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"

	"larder/internal/dirs"
	"larder/internal/localapi"
)

func TestAServiceThatEndsWhileItIsAskedIsAskedAgain(t *testing.T) {
	d, err := dirs.Find(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(d.Run, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", d.OwnerSocket())
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) <= 2 {
			panic(http.ErrAbortHandler)
		}
		h := localapi.Hello{Version: "next"}
		h.API.Min, h.API.Max = localapi.APIVersion, localapi.APIVersion
		if err := json.NewEncoder(w).Encode(h); err != nil {
			t.Error(err)
		}
	})}
	go func() { _ = srv.Serve(l) }() // it ends with the test
	t.Cleanup(func() { srv.Close() })
	if h, err := hello(t.Context(), d); err != nil || h.Version != "next" || asked.Load() != 3 {
		t.Errorf("%+v, %v after %d calls", h, err, asked.Load())
	}
}

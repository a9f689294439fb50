// Package buckettest runs a real S3 server, versitygw, over a folder, for tests.
// The folder's file system must have extended attributes: with the server's sidecar files its
// conditions are not atomic.
package buckettest

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"larder/internal/programtest"
)

// program is what .ci/run installs too.
const program = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

// Server is a running server. It ends with the test.
type Server struct {
	URL            string // without a path
	Access, Secret string
	// Dir is where a bucket lies as a folder: objects are files in it.
	Dir    string
	client *minio.Client
}

// Start runs a server on this machine.
func Start(t testing.TB) *Server {
	t.Helper()
	file := programtest.Find(t, program)
	s := &Server{Access: "publisher", Secret: "a-secret-of-this-test", Dir: t.TempDir()}
	log := filepath.Join(t.TempDir(), "log")
	for try := 1; ; try++ { // another process may take the port first
		addr := programtest.Free(t, "tcp")
		out, err := os.Create(log)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(file, "--access", s.Access, "--secret", s.Secret, "--port", addr, "--keep-alive", "posix", s.Dir)
		cmd.Stdout, cmd.Stderr = out, out
		cmd.WaitDelay = 10 * time.Second
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended); _ = out.Close() }()
		s.URL = "http://" + addr
		if answers(s.URL, ended) {
			t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
			break
		}
		_ = cmd.Process.Kill()
		<-ended
		if try == 5 {
			text, _ := os.ReadFile(log)
			t.Fatalf("versitygw does not answer:\n%s", text)
		}
	}
	var err error
	s.client, err = minio.New(strings.TrimPrefix(s.URL, "http://"), &minio.Options{Creds: credentials.NewStaticV4(s.Access, s.Secret, ""), Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// answers waits until the server does, for a minute at most, or has ended.
func answers(url string, ended <-chan struct{}) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		if r, err := http.Get(url); err == nil {
			_ = r.Body.Close()
			return true
		}
		select {
		case <-ended:
			return false
		case <-tick.C:
		}
	}
	return false
}

// Bucket makes a bucket that anybody may read, as one behind a CDN, and only we may write.
func (s *Server) Bucket(t testing.TB, name string) {
	t.Helper()
	err := s.client.MakeBucket(t.Context(), name, minio.MakeBucketOptions{})
	if err == nil {
		err = s.client.SetBucketPolicy(t.Context(), name, `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::`+name+`/*"]}]}`)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Setenv sets the whole environment that a publisher needs.
func (s *Server) Setenv(t *testing.T) {
	for _, v := range s.Environ() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
}

// Environ is that environment, for another process.
func (s *Server) Environ() []string {
	return []string{"AWS_ENDPOINT_URL=" + s.URL, "AWS_ACCESS_KEY_ID=" + s.Access, "AWS_SECRET_ACCESS_KEY=" + s.Secret}
}

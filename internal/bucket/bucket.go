// Package bucket is a site in an S3 bucket, as its publisher reaches it: the one home of
// the S3 library.
//
// It promises what publish.Store asks for, on any server that speaks S3: blobs come whole or not at
// all, large ones in parts that a later run goes on with, every byte under a checksum;
// documents are replaced only if nobody else did meanwhile (If-Match, If-None-Match); and each
// object says how long caches may keep it. A server that knows no conditions is written to without
// them. It does not make buckets, and does not say who may read them.
//
// The command line calls it.
package bucket

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"larder/asset"
	"larder/internal/publish"
	"larder/internal/site"
)

// Scheme begins the URL of a bucket.
const Scheme = "s3://"

// Options say where a bucket is. Only Place is required.
type Options struct {
	Place    string // s3://BUCKET/PREFIX
	Endpoint string // URL of the server; else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or Amazon's
	Region   string // else AWS_REGION, AWS_DEFAULT_REGION, or the bucket's own
	Getenv   func(string) string
}

// Site is a publish.Store.
type Site struct {
	core           *minio.Core
	bucket, prefix string
}

const amazon = "https://s3.amazonaws.com"

// Open prepares a site and asks nobody yet. Credentials are those of the AWS environment
// variables or of ~/.aws/credentials (AWS_PROFILE).
func Open(o Options) (*Site, error) {
	name, prefix, _ := strings.Cut(strings.TrimPrefix(o.Place, Scheme), "/")
	prefix = strings.Trim(prefix, "/")
	if !strings.HasPrefix(o.Place, Scheme) || name == "" || prefix != "" && !fs.ValidPath(prefix) || strings.ContainsAny(o.Place, "?#@\\") {
		return nil, fault(asset.CodeBadRequest, o.Place, "it names no bucket", "write s3://BUCKET/PREFIX")
	}
	at := cmp.Or(o.Endpoint, o.Getenv("AWS_ENDPOINT_URL_S3"), o.Getenv("AWS_ENDPOINT_URL"), amazon)
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" {
		return nil, fault(asset.CodeBadRequest, "the endpoint", "it is no URL of a server", "write it as in https://s3.example.com")
	}
	region := cmp.Or(o.Region, o.Getenv("AWS_REGION"), o.Getenv("AWS_DEFAULT_REGION"))
	if region == "" && at != amazon {
		region = "us-east-1" // what servers of one region call it
	}
	creds := credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}})
	if v, err := creds.GetWithContext(nil); err != nil || v.AccessKeyID == "" {
		return nil, fault(asset.CodeConfiguration, o.Place, "there are no credentials", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE for ~/.aws/credentials")
	}
	core, err := minio.NewCore(u.Host, &minio.Options{Creds: creds, Secure: u.Scheme == "https", Region: region})
	if err != nil {
		return nil, fault(asset.CodeBadRequest, "the endpoint", err.Error(), "write it as in https://s3.example.com")
	}
	core.SetAppInfo("larder", "1")
	return &Site{core: core, bucket: name, prefix: prefix}, nil
}

// String implements publish.Store.
func (s *Site) String() string { return Scheme + path.Join(s.bucket, s.prefix) }

func (s *Site) key(name string) string { return path.Join(s.prefix, name) }

// Get implements publish.Store.
func (s *Site) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	b, _, err := s.get(ctx, name, limit)
	return b, err
}

// get reads a document, and the server's name for just these bytes.
func (s *Site) get(ctx context.Context, name string, limit int64) ([]byte, string, error) {
	r, info, _, err := s.core.GetObject(ctx, s.bucket, s.key(name), minio.GetObjectOptions{})
	if err != nil {
		return nil, "", told(name, err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		return nil, "", fault(asset.CodeTooLarge, name, fmt.Sprintf("it is larger than %d bytes", limit), "is this a site of Larder?")
	}
	return b, info.ETag, told(name, err)
}

// Has implements publish.Store.
func (s *Site) Has(ctx context.Context, name string, size int64) (bool, error) {
	info, err := s.core.StatObject(ctx, s.bucket, s.key(name), minio.StatObjectOptions{})
	if err = told(name, err); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Size == size, err
}

// Put implements publish.Store.
func (s *Site) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if size > partSize {
		err := s.putParts(ctx, name, r, size)
		if minio.ToErrorResponse(err).Code == "NoSuchUpload" { // another run went on with it too, and ended it
			if have, e := s.Has(ctx, name, size); e == nil && have {
				return nil
			}
		}
		return told(name, err)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	return told(name, s.put(ctx, name, b, described(name)))
}

func (s *Site) put(ctx context.Context, name string, b []byte, o minio.PutObjectOptions) error {
	c := checksums(b)
	_, err := s.core.PutObject(ctx, s.bucket, s.key(name), bytes.NewReader(b), int64(len(b)), c.Md5Base64, c.Sha256Hex, o)
	return err
}

// checksums are what a server must find in what it received. Both are older than S3's own
// checksum headers, which not every server takes.
func checksums(b []byte) minio.PutObjectPartOptions {
	m, h := md5.Sum(b), sha256.Sum256(b)
	return minio.PutObjectPartOptions{Md5Base64: base64.StdEncoding.EncodeToString(m[:]), Sha256Hex: hex.EncodeToString(h[:])}
}

// described says what an object is, and how long it may be kept.
func described(name string) minio.PutObjectOptions {
	return minio.PutObjectOptions{ContentType: site.ContentType(name), CacheControl: site.CacheControl(name)}
}

// Replace implements publish.Store.
func (s *Site) Replace(ctx context.Context, name string, old, new []byte) error {
	now, tag, err := s.get(ctx, name, int64(max(len(old), len(new))))
	o := described(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if old != nil {
			return publish.ErrChanged
		}
		o.SetMatchETagExcept("*")
	case asset.CodeOf(err) == asset.CodeTooLarge:
		return publish.ErrChanged
	case err != nil:
		return err
	case bytes.Equal(now, new):
		return nil
	case old == nil || !bytes.Equal(now, old):
		return publish.ErrChanged
	default:
		o.SetMatchETag(strings.Trim(tag, `"`))
	}
	err = s.put(ctx, name, new, o)
	switch code := minio.ToErrorResponse(err); {
	case err == nil:
		return nil
	case code.StatusCode == http.StatusPreconditionFailed || code.Code == "ConditionalRequestConflict":
		// It may be this very write, whose answer was lost and which was sent again.
		if now, _, err := s.get(ctx, name, int64(len(new))); err == nil && bytes.Equal(now, new) {
			return nil
		}
		return publish.ErrChanged
	case code.StatusCode == http.StatusNotImplemented:
		err = s.put(ctx, name, new, described(name))
	}
	return told(name, err)
}

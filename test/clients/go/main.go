// aws-sdk-go-v2 with its transfer manager: the steps of test/clients/README.md.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	many   = 1005
	atOnce = 16
)

var (
	ctx    = context.Background()
	bucket = aws.String(os.Getenv("S3_BUCKET"))
	files  = os.Getenv("S3_FILES")
	client = connect()
)

func connect() *s3.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = atOnce
	if file := os.Getenv("AWS_CA_BUNDLE"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(os.Getenv("S3_ENDPOINT")),
		UsePathStyle: true,
		Region:       os.Getenv("AWS_REGION"),
		Credentials: credentials.NewStaticCredentialsProvider(
			os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
		HTTPClient: &http.Client{Transport: transport},
	})
}

func key(name string) *string {
	return aws.String(os.Getenv("S3_PREFIX") + "/" + name)
}

func small() []byte {
	body, err := os.ReadFile(filepath.Join(files, "small"))
	if err != nil {
		panic(err)
	}
	return body
}

func check(holds bool, what string) error {
	if holds {
		return nil
	}
	return errors.New(what)
}

func put() error {
	_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key("put +ü.bin"), Body: bytes.NewReader(small()),
		ContentType: aws.String("image/png"), Metadata: map[string]string{"colour": "blue"}})
	return err
}

func read(name string, span *string) ([]byte, *s3.GetObjectOutput, error) {
	answer, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key(name), Range: span})
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return body, answer, err
}

func get() error {
	body, answer, err := read("put +ü.bin", nil)
	if err != nil {
		return err
	}
	return errors.Join(
		check(bytes.Equal(body, small()), "other bytes"),
		check(aws.ToString(answer.ContentType) == "image/png", "another content type"),
		check(answer.Metadata["colour"] == "blue", "another metadata"))
}

func ranged() error {
	body, _, err := read("put +ü.bin", aws.String("bytes=1000-1999"))
	if err != nil {
		return err
	}
	return check(bytes.Equal(body, small()[1000:2000]), "other bytes")
}

func listed() ([]string, error) {
	var keys []string
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: key("many/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, object := range page.Contents {
			keys = append(keys, aws.ToString(object.Key))
		}
	}
	return keys, nil
}

func putMany() error {
	names, results := make(chan string), make(chan error, many)
	for range atOnce {
		go func() {
			for name := range names {
				results <- putOne(name)
			}
		}()
	}
	for n := range many {
		names <- fmt.Sprintf("%04d", n)
	}
	close(names)
	var failed error
	for range many {
		failed = errors.Join(failed, <-results)
	}
	return failed
}

func putOne(name string) error {
	file, err := os.Open(filepath.Join(files, "many", name))
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key("many/" + name), Body: file})
	return err
}

func list() error {
	if err := putMany(); err != nil {
		return err
	}
	keys, err := listed()
	if err != nil {
		return err
	}
	good := len(keys) == many
	for n := 0; good && n < many; n++ {
		good = keys[n] == *key(fmt.Sprintf("many/%04d", n))
	}
	return check(good, "other keys")
}

func multipart() error {
	file, err := os.Open(filepath.Join(files, "big"))
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = manager.NewUploader(client).Upload(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key("big"), Body: file})
	if err != nil {
		return err
	}
	answer, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key("big")})
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err = file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return same(answer.Body, file)
}

func same(found, expected io.Reader) error {
	have, want := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(found, have)
		m, _ := io.ReadFull(expected, want)
		if !bytes.Equal(have[:n], want[:m]) {
			return errors.New("other bytes")
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func copyObject() error {
	// The SDK sends the source as it is given: encoded by the caller.
	source := *bucket + "/" + os.Getenv("S3_PREFIX") + "/put%20%2B%C3%BC.bin"
	if _, err := client.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: bucket, Key: key("copy %41&=.bin"), CopySource: &source}); err != nil {
		return err
	}
	body, _, err := read("copy %41&=.bin", nil)
	return errors.Join(err, check(bytes.Equal(body, small()), "other bytes"))
}

func deleteMany() error {
	keys, err := listed()
	if err != nil {
		return err
	}
	for len(keys) > 0 {
		some := keys[:min(1000, len(keys))]
		keys = keys[len(some):]
		var objects []types.ObjectIdentifier
		for _, name := range some {
			objects = append(objects, types.ObjectIdentifier{Key: aws.String(name)})
		}
		answer, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: objects}})
		if err != nil {
			return err
		}
		if len(answer.Errors) > 0 || len(answer.Deleted) != len(some) {
			return errors.New("not all were deleted")
		}
	}
	keys, err = listed()
	return errors.Join(err, check(len(keys) == 0, "keys are left"))
}

func presign() error {
	presigner := s3.NewPresignClient(client, s3.WithPresignExpires(10*time.Minute))
	get, err := presigner.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key("put +ü.bin")})
	if err != nil {
		return err
	}
	put, err := presigner.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key("presigned")})
	if err != nil {
		return err
	}
	fmt.Printf("url GET %s\nurl PUT %s\n", get.URL, put.URL)
	return nil
}

func main() {
	for _, step := range []struct {
		name string
		run  func() error
	}{{"put", put}, {"get", get}, {"range", ranged}, {"list", list}, {"multipart", multipart}, {"copy", copyObject},
		{"delete", deleteMany}, {"presign", presign}} {
		if err := step.run(); err != nil {
			fmt.Printf("not ok %s %s\n", step.name, strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Printf("ok %s\n", step.name)
		}
	}
}

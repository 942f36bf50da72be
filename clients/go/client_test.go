package dragoman

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	dragomanv1 "example.com/dragoman/clients/go/dragoman/v1"
)

func TestCompleteReturnsTheAnswer(t *testing.T) {
	client := serve(t, script{create: func(_ context.Context, r *dragomanv1.CompletionRequest) (*dragomanv1.Completion, error) {
		return answer(r.GetModel() + ": " + r.GetMessages()[0].GetParts()[0].GetText()), nil
	}})

	completion, err := client.Complete(within(t), Request("local", "Hi!"))

	must(t, err)
	equal(t, "text", Text(completion), "local: Hi!")
}

func TestTheKeyIsSentWithEachCall(t *testing.T) {
	t.Setenv("DRAGOMAN_API_KEY", "from-environment")
	sent := func(options ...Option) string {
		var keys []string
		client := serve(t, script{create: func(ctx context.Context, _ *dragomanv1.CompletionRequest) (*dragomanv1.Completion, error) {
			keys = metadata.ValueFromIncomingContext(ctx, "authorization")
			return &dragomanv1.Completion{}, nil
		}}, options...)
		_, err := client.Complete(within(t), Request("local", "Hi!"))
		must(t, err)
		return strings.Join(keys, " and ")
	}

	equal(t, "given", sent(WithKey(" given\n")), "Bearer given")
	equal(t, "from the environment", sent(), "Bearer from-environment")
	equal(t, "none", sent(WithKey("")), "")
}

func TestAKeyThatCannotBeSentIsRefused(t *testing.T) {
	_, err := New("127.0.0.1:1", WithKey("k\u00e9y"))

	if err == nil || !strings.Contains(err.Error(), "copy the complete key") {
		t.Errorf("came %v", err)
	}
}

func TestAPrivateAuthorityIsTrustedIfItIsNamed(t *testing.T) {
	certificate, pemFile := selfSigned(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	serveOn(t, listener, script{create: func(context.Context, *dragomanv1.CompletionRequest) (*dragomanv1.Completion, error) {
		return answer("over TLS"), nil
	}}, grpc.Creds(credentials.NewServerTLSFromCert(certificate)))
	target := listener.Addr().String()

	completion, err := connect(t, target, WithCAFile(pemFile), WithKey("k")).Complete(within(t), Request("local", "Hi!"))
	must(t, err)
	equal(t, "text", Text(completion), "over TLS")
	_, err = connect(t, target, WithTLS(nil)).Complete(within(t), Request("local", "Hi!"))
	equal(t, "unknown authority", status.Code(err), codes.Unavailable)
	contains(t, err.Error(), "unknown authority")
	_, err = New(target, WithCAFile(os.DevNull))
	equal(t, "no certificate", err != nil, true)
	_, err = New(target, WithCAFile("missing.pem"))
	equal(t, "no file", errors.Is(err, os.ErrNotExist), true)
}

// selfSigned returns a certificate for 127.0.0.1, and the name of a PEM file that holds it.
func selfSigned(t *testing.T) (certificate *tls.Certificate, pemFile string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	must(t, err)
	pemFile = filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(pemFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, pemFile
}

func TestTheTargetDefaultsToTheEnvironmentAndThenToThisMachine(t *testing.T) {
	equal(t, "default", connect(t, "").target, DefaultTarget)
	t.Setenv("DRAGOMAN_TARGET", "127.0.0.1:7")
	equal(t, "environment", connect(t, "").target, "127.0.0.1:7")
	equal(t, "given", connect(t, "127.0.0.1:8").target, "127.0.0.1:8")
}

func TestAnswersOfMoreThan4MiBArrive(t *testing.T) {
	long := strings.Repeat("x", 5<<20)
	client := serve(t, script{create: func(context.Context, *dragomanv1.CompletionRequest) (*dragomanv1.Completion, error) {
		return answer(long), nil
	}})

	completion, err := client.Complete(within(t), Request("local", "Hi!"))

	must(t, err)
	equal(t, "length", len(Text(completion)), len(long))
}

func TestCallsAreRepeatedWhileTheServiceIsUnavailable(t *testing.T) {
	var calls atomic.Int32
	client := serve(t, script{create: func(context.Context, *dragomanv1.CompletionRequest) (*dragomanv1.Completion, error) {
		if calls.Add(1) < 3 {
			return nil, failure(codes.Unavailable, "SHUTTING_DOWN")
		}
		return answer("at last"), nil
	}})

	completion, err := client.Complete(within(t), Request("local", "Hi!"))

	must(t, err)
	equal(t, "text", Text(completion), "at last")
	equal(t, "calls", calls.Load(), 3)
}

func TestADeleteIsNotRepeated(t *testing.T) {
	var calls atomic.Int32
	client := serve(t, script{delete: func(*longrunningpb.DeleteOperationRequest) error {
		calls.Add(1)
		return failure(codes.Unavailable, "SHUTTING_DOWN")
	}})

	err := client.Operation("operations/a").Delete(within(t))

	equal(t, "failed", err != nil, true)
	equal(t, "calls", calls.Load(), 1)
}

func TestTheDeadlineOfTheContextEndsTheCall(t *testing.T) {
	ended := make(chan error, 1)
	client := serve(t, script{create: func(ctx context.Context, _ *dragomanv1.CompletionRequest) (*dragomanv1.Completion, error) {
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}})
	ctx, cancel := context.WithTimeout(within(t), 100*time.Millisecond)
	defer cancel()

	_, err := client.Complete(ctx, Request("local", "Hi!"))

	equal(t, "deadline", errors.Is(err, context.DeadlineExceeded), true)
	equal(t, "cancelled", errors.Is(err, context.Canceled), false)
	equal(t, "seen by the service", <-ended != nil, true)
}

func TestStartChoosesARequestIDAndLeavesTheRequestAlone(t *testing.T) {
	var sent []*dragomanv1.StartCompletionRequest
	client := serve(t, script{start: func(r *dragomanv1.StartCompletionRequest) (*longrunningpb.Operation, error) {
		sent = append(sent, r)
		return &longrunningpb.Operation{Name: "operations/a"}, nil
	}})
	request := Request("local", "Hi!")
	for range 2 {
		operation, err := client.Start(within(t), request)
		must(t, err)
		equal(t, "name", operation.Name(), "operations/a")
	}
	chosen := Request("local", "Hi!")
	chosen.RequestId = "mine"
	options := []StartOption{WithOperationID("fruits"), WithTTL(time.Hour), WithMaxAttempts(1), WithPriority(-3)}
	_, err := client.Start(within(t), chosen, options...)
	must(t, err)

	equal(t, "request id of the caller's request", request.GetRequestId(), "")
	first, second := sent[0].GetRequest().GetRequestId(), sent[1].GetRequest().GetRequestId()
	equal(t, "chosen and different", first != "" && second != "" && first != second, true)
	equal(t, "given", sent[2].GetRequest().GetRequestId(), "mine")
	equal(t, "operation id", sent[2].GetOperationId(), "fruits")
	equal(t, "ttl", sent[2].GetTtl().AsDuration(), time.Hour)
	equal(t, "max attempts", sent[2].GetMaxAttempts(), 1)
	equal(t, "priority", sent[2].GetPriority(), -3)
	equal(t, "no max attempts", sent[0].MaxAttempts == nil, true)
}

func TestModelsGoesThroughAllPages(t *testing.T) {
	client := serve(t, script{list: func(r *dragomanv1.ListModelsRequest) (*dragomanv1.ListModelsResponse, error) {
		switch r.GetPageToken() {
		case "":
			return &dragomanv1.ListModelsResponse{Models: models("a", "b"), NextPageToken: "2"}, nil
		case "2":
			return &dragomanv1.ListModelsResponse{NextPageToken: "3"}, nil
		case "3":
			return &dragomanv1.ListModelsResponse{Models: models("c")}, nil
		}
		return nil, fmt.Errorf("unexpected page %q", r.GetPageToken())
	}})
	var names []string
	for model, err := range client.Models(within(t)) {
		must(t, err)
		names = append(names, model.GetName())
	}

	equal(t, "names", strings.Join(names, ""), "abc")
}

func TestModelsEndsWithTheErrorOfAPage(t *testing.T) {
	client := serve(t, script{list: func(r *dragomanv1.ListModelsRequest) (*dragomanv1.ListModelsResponse, error) {
		if r.GetPageToken() == "" {
			return &dragomanv1.ListModelsResponse{Models: models("a"), NextPageToken: "2"}, nil
		}
		return nil, failure(codes.InvalidArgument, "INVALID_FIELD")
	}})
	var names, failures int
	for _, err := range client.Models(within(t)) {
		if err != nil {
			failures++
		} else {
			names++
		}
	}

	equal(t, "names", names, 1)
	equal(t, "failures", failures, 1)
}

func models(names ...string) []*dragomanv1.Model {
	var all []*dragomanv1.Model
	for _, name := range names {
		all = append(all, &dragomanv1.Model{Name: name})
	}
	return all
}

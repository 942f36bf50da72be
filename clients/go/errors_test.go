package dragoman

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	dragomanv1 "example.com/dragoman/clients/go/dragoman/v1"
)

func TestAnErrorHasEverythingThatTheServiceReported(t *testing.T) {
	bad := &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
		{Field: "model", Description: "is required"}, {Field: "messages", Description: "is required"},
	}}
	client := serve(t, script{create: func(context.Context, *dragomanv1.CompletionRequest) (*dragomanv1.Completion, error) {
		return nil, failure(codes.InvalidArgument, "INVALID_FIELD", bad, retryIn(1500*time.Millisecond))
	}})

	_, err := client.Complete(within(t), &dragomanv1.CompletionRequest{})

	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("came %v", err)
	}
	equal(t, "code", e.Code, codes.InvalidArgument)
	equal(t, "reason", e.Reason, dragomanv1.ErrorReason_ERROR_REASON_INVALID_FIELD)
	equal(t, "message", e.Message, "It failed.")
	equal(t, "fields", len(e.Fields), 2)
	equal(t, "field", e.Fields[0], FieldViolation{"model", "is required"})
	equal(t, "retry", e.RetryAfter, 1500*time.Millisecond)
	equal(t, "call", e.CallID, "c-1")
	equal(t, "transient", e.Transient(), false)
	equal(t, "text", e.Error(), "It failed. (INVALID_FIELD, call c-1)")
	equal(t, "gRPC's view", len(status.Convert(err).Details()), 3)
}

func TestAReasonOfANewerServiceIsUnspecified(t *testing.T) {
	e := fromStatus(status.Convert(failure(codes.Aborted, "FROM_THE_FUTURE")).Proto())

	equal(t, "reason", e.Reason, dragomanv1.ErrorReason_ERROR_REASON_UNSPECIFIED)
	equal(t, "call", e.CallID, "c-1")
	equal(t, "text", e.Error(), "It failed. (Aborted, call c-1)")
}

func TestARefusedConnectionTellsWhatToCheck(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := listener.Addr().String()
	must(t, listener.Close())

	_, err = connect(t, address).Complete(within(t), Request("local", "Hi!"))

	var e *Error
	equal(t, "typed", errors.As(err, &e), true)
	equal(t, "code", e.Code, codes.Unavailable)
	equal(t, "transient", e.Transient(), true)
	equal(t, "call", e.CallID, "")
	contains(t, e.Message, "cannot reach "+address)
	contains(t, e.Message, "both sides use TLS or neither does")
}

func TestAClosedClientIsNoLostConnection(t *testing.T) {
	client := connect(t, "127.0.0.1:1")
	must(t, client.Close())

	_, err := client.Complete(within(t), Request("local", "Hi!"))

	var e *Error
	equal(t, "typed", errors.As(err, &e), true)
	equal(t, "transient", e.Transient(), false)
}

func TestTheServiceConfigIsTheOneThatIsPublished(t *testing.T) {
	published, err := os.ReadFile("../dragoman_grpc_service_config.json")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("this is the module alone, not the repository")
	}
	must(t, err)

	equal(t, "copy", serviceConfig, string(published))
}

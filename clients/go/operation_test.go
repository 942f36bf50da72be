package dragoman

import (
	"context"
	"errors"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	dragomanv1 "example.com/dragoman/clients/go/dragoman/v1"
)

func packed(t *testing.T, message proto.Message) *anypb.Any {
	t.Helper()
	any, err := anypb.New(message)
	must(t, err)
	return any
}

func succeeded(t *testing.T, text string) *longrunningpb.Operation {
	return &longrunningpb.Operation{
		Name: "operations/a", Done: true,
		Metadata: packed(t, &dragomanv1.CompletionOperationMetadata{Attempts: 2}),
		Result:   &longrunningpb.Operation_Response{Response: packed(t, answer(text))},
	}
}

func TestResultWaitsInSeveralCalls(t *testing.T) {
	calls := 0
	client := serve(t, script{wait: func(_ context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
		calls++
		asked := r.GetTimeout().AsDuration()
		switch calls {
		case 1:
			equal(t, "asks for", asked, 25*time.Second)
			return &longrunningpb.Operation{Name: r.GetName()}, nil // 25 s are over
		case 2:
			return nil, status.Error(codes.Internal, "RST_STREAM") // a proxy
		}
		equal(t, "asks for after a failure", asked, 2*time.Second)
		return succeeded(t, "at last"), nil
	}})
	operation := client.Operation("operations/a")
	equal(t, "not read yet", operation.Done(), false)

	completion, err := operation.Result(within(t))

	must(t, err)
	equal(t, "text", Text(completion), "at last")
	equal(t, "attempts", operation.Metadata().GetAttempts(), 2)
	_, err = operation.Result(within(t))
	must(t, err)
	equal(t, "calls", calls, 3)
}

func TestResultHasTheErrorOfTheOperation(t *testing.T) {
	failed := failure(codes.Canceled, "CANCELLED", retryIn(3*time.Second))
	client := serve(t, script{wait: func(context.Context, *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
		result := &longrunningpb.Operation_Error{Error: status.Convert(failed).Proto()}
		return &longrunningpb.Operation{Name: "operations/a", Done: true, Result: result}, nil
	}})
	operation := client.Operation("operations/a")

	must(t, operation.Wait(within(t)))
	_, err := operation.Result(within(t))

	var e *Error
	equal(t, "typed", errors.As(err, &e), true)
	equal(t, "reason", e.Reason, dragomanv1.ErrorReason_ERROR_REASON_CANCELLED)
	equal(t, "retry", e.RetryAfter, 3*time.Second)
	equal(t, "not the caller's context", errors.Is(err, context.Canceled), false)
}

func TestWaitEndsWithTheContextAndDoesNotSpin(t *testing.T) {
	calls := 0
	client := serve(t, script{wait: func(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
		calls++
		deadline, _ := ctx.Deadline()
		time.Sleep(time.Until(deadline) - 100*time.Millisecond) // as the service does
		return &longrunningpb.Operation{Name: r.GetName()}, nil
	}})
	ctx, cancel := context.WithTimeout(within(t), 500*time.Millisecond)
	defer cancel()

	err := client.Operation("operations/a").Wait(ctx)

	equal(t, "deadline", errors.Is(err, context.DeadlineExceeded), true)
	equal(t, "calls", calls, 1)
}

func TestWaitFailsAtOnceForAnOperationThatDoesNotExist(t *testing.T) {
	client := serve(t, script{wait: func(context.Context, *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
		return nil, failure(codes.NotFound, "OPERATION_NOT_FOUND")
	}})

	err := client.Operation("operations/a").Wait(within(t))

	equal(t, "code", status.Code(err), codes.NotFound)
}

func TestWaitGivesUpAfterTheReconnectTimeout(t *testing.T) {
	client := serve(t, script{wait: func(context.Context, *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
		return nil, failure(codes.Unavailable, "OPERATIONS_UNAVAILABLE")
	}}, WithReconnectTimeout(time.Millisecond))

	err := client.Operation("operations/a").Wait(within(t))

	equal(t, "code", status.Code(err), codes.Unavailable)
}

func TestCancelNamesTheOperation(t *testing.T) {
	var name string
	client := serve(t, script{cancel: func(r *longrunningpb.CancelOperationRequest) error {
		name = r.GetName()
		return nil
	}})

	must(t, client.Operation("operations/a").Cancel(within(t)))

	equal(t, "name", name, "operations/a")
}

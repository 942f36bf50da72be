package dragoman

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	dragomanv1 "example.com/dragoman/clients/go/dragoman/v1"
)

// lost is how gRPC reports a connection that broke.
var lost = status.Error(codes.Unavailable, "error reading from server: EOF")

// readAll returns the sequence numbers of a stream's events, and its error.
func readAll(stream *Stream) (sequences []int64, err error) {
	for event, err := range stream.All() {
		if err != nil {
			return sequences, err
		}
		sequences = append(sequences, event.GetSequence())
	}
	return sequences, nil
}

func TestAStreamHasTheTextAndTheAnswer(t *testing.T) {
	client := serve(t, script{stream: func(_ *dragomanv1.CompletionRequest, stream completionStream) error {
		return send(stream, started(1, ""), text(2, "Hello"), text(3, " world"), finished(4, answer("Hello world")))
	}})
	stream := client.Stream(within(t), Request("local", "Hi!"))

	sequences, err := readAll(stream)

	must(t, err)
	equal(t, "events", len(sequences), 4)
	equal(t, "text", stream.Text(), "Hello world")
	equal(t, "answer", Text(stream.Completion()), "Hello world")
	equal(t, "operation", stream.Operation(), "")
	_, err = readAll(stream)
	equal(t, "read twice", status.Code(err), codes.FailedPrecondition)
}

func TestAStreamThatFailedEndsWithItsErrorAfterFinished(t *testing.T) {
	broken := failure(codes.Unavailable, "PROVIDER_STREAM_BROKEN")
	client := serve(t, script{stream: func(_ *dragomanv1.CompletionRequest, stream completionStream) error {
		if err := send(stream, started(1, "operations/a"), text(2, "Hel"), finishedBy(3, broken)); err != nil {
			return err
		}
		return broken
	}})
	stream := client.Stream(within(t), Request("local", "Hi!"))

	sequences, err := readAll(stream)

	equal(t, "events", len(sequences), 3)
	var e *Error
	equal(t, "typed", errors.As(err, &e), true)
	equal(t, "reason", e.Reason, dragomanv1.ErrorReason_ERROR_REASON_PROVIDER_STREAM_BROKEN)
	equal(t, "no answer", stream.Completion() == nil, true)
}

func TestAnOperationsStreamResumesAfterItsLastEvent(t *testing.T) {
	var cursors []int64
	client := serve(t, script{
		stream: func(_ *dragomanv1.CompletionRequest, stream completionStream) error {
			_ = send(stream, started(1, "operations/a"), text(2, "one"))
			return lost
		},
		attach: func(r *dragomanv1.AttachCompletionRequest, stream completionStream) error {
			equal(t, "name", r.GetName(), "operations/a")
			cursors = append(cursors, r.GetAfterSequence())
			switch r.GetAfterSequence() {
			case 2:
				_ = send(stream, text(3, " two"))
				return nil // a proxy that ends streams politely
			case 3:
				if len(cursors) == 2 {
					return failure(codes.DeadlineExceeded, "DEADLINE") // nothing happened for 25 s
				}
				return send(stream, text(4, " three"), finished(5, answer("one two three")))
			}
			return errors.New("unexpected cursor")
		},
	})
	stream := client.Stream(within(t), Request("local", "Hi!"))

	sequences, err := readAll(stream)

	must(t, err)
	equal(t, "events", len(sequences), 5)
	equal(t, "text", stream.Text(), "one two three")
	equal(t, "calls", len(cursors), 3)
}

func TestAStreamThatIsNoOperationDoesNotResume(t *testing.T) {
	for name, end := range map[string]error{"lost": lost, "closed": nil} {
		client := serve(t, script{stream: func(_ *dragomanv1.CompletionRequest, stream completionStream) error {
			_ = send(stream, started(1, ""), text(2, "one"))
			return end
		}})

		_, err := readAll(client.Stream(within(t), Request("local", "Hi!")))

		equal(t, name, status.Code(err), codes.Unavailable)
		contains(t, err.Error(), "send the request again")
	}
}

func TestRetractedTextIsRemoved(t *testing.T) {
	client := serve(t, script{stream: func(_ *dragomanv1.CompletionRequest, stream completionStream) error {
		return send(stream, started(1, "operations/a"), text(2, "kept "), text(3, "void"), retracted(4, 3),
			started(5, "operations/a"), text(6, "new"), finished(7, answer("kept new")))
	}})
	stream := client.Stream(within(t), Request("local", "Hi!"))
	var shown string
	for event, err := range stream.All() {
		must(t, err)
		shown += event.GetDelta().GetText()
		if event.GetRetracted() != nil {
			shown = stream.Text()
			equal(t, "after the retraction", shown, "kept ")
		}
	}

	equal(t, "shown", shown, "kept new")
	equal(t, "text", stream.Text(), "kept new")
}

func TestLeavingTheLoopEndsTheCall(t *testing.T) {
	ended := make(chan struct{})
	client := serve(t, script{stream: func(_ *dragomanv1.CompletionRequest, stream completionStream) error {
		_ = send(stream, started(1, "operations/a"), text(2, "one"))
		<-stream.Context().Done()
		close(ended)
		return nil
	}})
	for event, err := range client.Stream(within(t), Request("local", "Hi!")).All() {
		must(t, err)
		if event.GetDelta().GetText() != "" {
			break
		}
	}

	select {
	case <-ended:
	case <-within(t).Done():
		t.Error("the service did not see it")
	}
}

func TestTheContextEndsAStreamAlsoOfAnOperation(t *testing.T) {
	client := serve(t, script{stream: func(_ *dragomanv1.CompletionRequest, stream completionStream) error {
		_ = send(stream, started(1, "operations/a"))
		<-stream.Context().Done()
		return nil
	}})
	short, cancel := context.WithTimeout(within(t), 100*time.Millisecond)
	defer cancel()

	_, err := readAll(client.Stream(short, Request("local", "Hi!")))

	equal(t, "deadline", errors.Is(err, context.DeadlineExceeded), true)
	ctx, leave := context.WithCancel(within(t))
	defer leave()
	for _, err = range client.Stream(ctx, Request("local", "Hi!")).All() {
		leave()
	}
	equal(t, "cancelled", errors.Is(err, context.Canceled), true)
}

func TestResumingGivesUpAfterTheReconnectTimeout(t *testing.T) {
	client := serve(t, script{attach: func(_ *dragomanv1.AttachCompletionRequest, stream completionStream) error {
		return failure(codes.Unavailable, "OPERATIONS_UNAVAILABLE", retryIn(0))
	}}, WithReconnectTimeout(time.Millisecond))

	_, err := readAll(client.Operation("operations/a").Events(within(t), 7))

	equal(t, "code", status.Code(err), codes.Unavailable)
}

func TestAPermanentErrorIsNotResumed(t *testing.T) {
	calls := 0
	client := serve(t, script{attach: func(*dragomanv1.AttachCompletionRequest, completionStream) error {
		calls++
		return failure(codes.NotFound, "OPERATION_NOT_FOUND")
	}})

	_, err := readAll(client.Operation("operations/a").Events(within(t), 0))

	equal(t, "code", status.Code(err), codes.NotFound)
	equal(t, "calls", calls, 1)
}

package dragoman

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	dragomanv1 "example.com/dragoman/clients/go/dragoman/v1"
)

type (
	completionStream = grpc.ServerStreamingServer[dragomanv1.CompletionEvent]
	services         struct {
		dragomanv1.UnimplementedCompletionServiceServer
		longrunningpb.UnimplementedOperationsServer
		dragomanv1.UnimplementedModelServiceServer
		script
	}
)

// script is what the service of a test answers; a method whose function is nil is not expected.
type script struct {
	create func(context.Context, *dragomanv1.CompletionRequest) (*dragomanv1.Completion, error)
	start  func(*dragomanv1.StartCompletionRequest) (*longrunningpb.Operation, error)
	stream func(*dragomanv1.CompletionRequest, completionStream) error
	attach func(*dragomanv1.AttachCompletionRequest, completionStream) error
	wait   func(context.Context, *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error)
	cancel func(*longrunningpb.CancelOperationRequest) error
	delete func(*longrunningpb.DeleteOperationRequest) error
	list   func(*dragomanv1.ListModelsRequest) (*dragomanv1.ListModelsResponse, error)
}

func (s *services) CreateCompletion(ctx context.Context, r *dragomanv1.CompletionRequest) (*dragomanv1.Completion, error) {
	return s.create(ctx, r)
}

func (s *services) StartCompletion(_ context.Context, r *dragomanv1.StartCompletionRequest) (*longrunningpb.Operation, error) {
	return s.start(r)
}

func (s *services) StreamCompletion(r *dragomanv1.CompletionRequest, stream completionStream) error {
	return s.stream(r, stream)
}

func (s *services) AttachCompletion(r *dragomanv1.AttachCompletionRequest, stream completionStream) error {
	return s.attach(r, stream)
}

func (s *services) WaitOperation(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	return s.wait(ctx, r)
}

func (s *services) CancelOperation(_ context.Context, r *longrunningpb.CancelOperationRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, s.script.cancel(r)
}

func (s *services) DeleteOperation(_ context.Context, r *longrunningpb.DeleteOperationRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, s.script.delete(r)
}

func (s *services) ListModels(_ context.Context, r *dragomanv1.ListModelsRequest) (*dragomanv1.ListModelsResponse, error) {
	return s.list(r)
}

// serve starts a service in this process and returns a client of it. Both end with the test.
func serve(t *testing.T, s script, options ...Option) *Client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	serveOn(t, listener, s)
	return connect(t, listener.Addr().String(), options...)
}

func serveOn(t *testing.T, listener net.Listener, s script, options ...grpc.ServerOption) {
	t.Helper()
	all := &services{script: s}
	server := grpc.NewServer(options...)
	dragomanv1.RegisterCompletionServiceServer(server, all)
	longrunningpb.RegisterOperationsServer(server, all)
	dragomanv1.RegisterModelServiceServer(server, all)
	go func() { _ = server.Serve(listener) }() // its error tells that the test has ended
	t.Cleanup(server.Stop)
}

func connect(t *testing.T, target string, options ...Option) *Client {
	t.Helper()
	client, err := New(target, options...)
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, what string, came, expected T) {
	t.Helper()
	if came != expected {
		t.Errorf("%s: came %v, expected %v", what, came, expected)
	}
}

func contains(t *testing.T, text, expected string) {
	t.Helper()
	if !strings.Contains(text, expected) {
		t.Errorf("%q does not contain %q", text, expected)
	}
}

// within returns a context that ends with the test, or after ten seconds.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func answer(text string) *dragomanv1.Completion {
	return &dragomanv1.Completion{Choices: []*dragomanv1.Choice{{Message: Message(dragomanv1.Role_ROLE_ASSISTANT, text)}}}
}

func started(sequence int64, operation string) *dragomanv1.CompletionEvent {
	return &dragomanv1.CompletionEvent{Sequence: sequence, Event: &dragomanv1.CompletionEvent_Started{
		Started: &dragomanv1.Started{Operation: operation},
	}}
}

func text(sequence int64, text string) *dragomanv1.CompletionEvent {
	return &dragomanv1.CompletionEvent{Sequence: sequence, Event: &dragomanv1.CompletionEvent_Delta{
		Delta: &dragomanv1.Delta{Content: &dragomanv1.Delta_Text{Text: text}},
	}}
}

func retracted(sequence, from int64) *dragomanv1.CompletionEvent {
	return &dragomanv1.CompletionEvent{Sequence: sequence, Event: &dragomanv1.CompletionEvent_Retracted{
		Retracted: &dragomanv1.Retracted{FromSequence: from},
	}}
}

func finished(sequence int64, completion *dragomanv1.Completion) *dragomanv1.CompletionEvent {
	return &dragomanv1.CompletionEvent{Sequence: sequence, Event: &dragomanv1.CompletionEvent_Finished{
		Finished: &dragomanv1.Finished{Outcome: &dragomanv1.Finished_Completion{Completion: completion}},
	}}
}

func finishedBy(sequence int64, failure error) *dragomanv1.CompletionEvent {
	return &dragomanv1.CompletionEvent{Sequence: sequence, Event: &dragomanv1.CompletionEvent_Finished{
		Finished: &dragomanv1.Finished{Outcome: &dragomanv1.Finished_Error{Error: status.Convert(failure).Proto()}},
	}}
}

func send(stream completionStream, events ...*dragomanv1.CompletionEvent) error {
	for _, event := range events {
		if err := stream.Send(event); err != nil {
			return err
		}
	}
	return nil
}

// failure returns an error as the service makes them.
func failure(code codes.Code, reason string, details ...protoadapt.MessageV1) error {
	retryable := "false"
	if code == codes.Unavailable {
		retryable = "true"
	}
	info := &errdetails.ErrorInfo{
		Domain: "dragoman", Reason: reason, Metadata: map[string]string{"call_id": "c-1", "retryable": retryable},
	}
	detailed, err := status.New(code, "It failed.").WithDetails(append(details, protoadapt.MessageV1(info))...)
	if err != nil {
		panic(err)
	}
	return detailed.Err()
}

func retryIn(delay time.Duration) *errdetails.RetryInfo {
	return &errdetails.RetryInfo{RetryDelay: durationpb.New(delay)}
}

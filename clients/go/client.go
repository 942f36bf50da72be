// Package dragoman is the Go client of Dragoman, the gRPC gateway in front of language models.
//
// One request, three deliveries: [Client.Complete] returns the complete answer, [Client.Stream] yields it while the
// model generates it, and [Client.Start] starts an operation that continues without the caller.
//
// The deadline of a call is that of its context; without one, the service applies its default (600 s). All methods
// return an [*Error] if a call fails. While the service is unavailable, calls that are safe to repeat are made up to
// four times.
package dragoman

import (
	"context"
	"crypto/rand"
	"iter"
	"os"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	dragomanv1 "example.com/dragoman/clients/go/dragoman/v1"
)

// A Client of a Dragoman service. It is safe for concurrent use.
type Client struct {
	conn             *grpc.ClientConn
	target           string
	reconnectTimeout time.Duration
	completions      dragomanv1.CompletionServiceClient
	models           dragomanv1.ModelServiceClient
	operations       longrunningpb.OperationsClient
}

// New returns a client of the service at target, host:port; if empty, at $DRAGOMAN_TARGET, else at [DefaultTarget].
// It connects with the first call. It fails if an option is unusable. Close the client.
func New(target string, options ...Option) (*Client, error) {
	for _, other := range []string{os.Getenv(envTarget), DefaultTarget} {
		if target == "" {
			target = other
		}
	}
	settings, err := newSettings(options)
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(target, settings.dialOptions()...)
	if err != nil {
		return nil, err
	}
	return &Client{
		conn:             conn,
		target:           target,
		reconnectTimeout: settings.reconnectTimeout,
		completions:      dragomanv1.NewCompletionServiceClient(conn),
		models:           dragomanv1.NewModelServiceClient(conn),
		operations:       longrunningpb.NewOperationsClient(conn),
	}, nil
}

// Conn returns the connection, for calls that the client has no method for.
func (c *Client) Conn() *grpc.ClientConn { return c.conn }

// Close closes the connection and cancels the calls in progress.
func (c *Client) Close() error { return c.conn.Close() }

// Complete returns the complete answer, once its last token has arrived; [Text] reads its text.
func (c *Client) Complete(ctx context.Context, request *dragomanv1.CompletionRequest) (*dragomanv1.Completion, error) {
	completion, err := c.completions.CreateCompletion(ctx, request)
	return completion, c.failure(ctx, err)
}

// Stream returns the answer as events, while the model generates it. The call is made by [Stream.All].
//
// With DISCONNECT_POLICY_CONTINUE or a request_id, the completion is an operation: it continues when the caller
// leaves, and a stream that is interrupted resumes after the last event received.
func (c *Client) Stream(ctx context.Context, request *dragomanv1.CompletionRequest) *Stream {
	return newStream(ctx, c, "", 0, func(ctx context.Context) (events, error) {
		return c.completions.StreamCompletion(ctx, request)
	})
}

// A StartOption sets a property of an operation.
type StartOption func(*dragomanv1.StartCompletionRequest)

// WithOperationID chooses the last segment of the operation's name: 4 to 63 characters from a-z, 0-9 and -, starting
// with a letter, not ending in -. Default: the service chooses one.
func WithOperationID(id string) StartOption {
	return func(r *dragomanv1.StartCompletionRequest) { r.OperationId = id }
}

// WithTTL sets how long the answer is kept after the operation ends. Default: the service's setting (24 h).
func WithTTL(ttl time.Duration) StartOption {
	return func(r *dragomanv1.StartCompletionRequest) { r.Ttl = durationpb.New(ttl) }
}

// WithMaxAttempts sets how many workers the operation may lose before it fails; with 1 it never runs again. Default:
// the service's setting (3).
func WithMaxAttempts(attempts int32) StartOption {
	return func(r *dragomanv1.StartCompletionRequest) { r.MaxAttempts = &attempts }
}

// WithPriority sets the priority in the queue, from -100 to 100; higher values run first. Default: 0.
func WithPriority(priority int32) StartOption {
	return func(r *dragomanv1.StartCompletionRequest) { r.Priority = priority }
}

// Start starts an operation, which any holder of the same API key can read by its name. The context bounds this call
// only, not the operation. A request without a request_id gets one, so that repetitions of the call start only one
// operation.
func (c *Client) Start(ctx context.Context, request *dragomanv1.CompletionRequest, options ...StartOption) (*Operation, error) {
	start := &dragomanv1.StartCompletionRequest{Request: request}
	if request.GetRequestId() == "" {
		copied := proto.CloneOf(request)
		copied.RequestId = rand.Text()
		start.Request = copied
	}
	for _, option := range options {
		option(start)
	}
	state, err := c.completions.StartCompletion(ctx, start)
	if err != nil {
		return nil, c.failure(ctx, err)
	}
	return &Operation{client: c, state: state}, nil
}

// Operation returns a handle for the operation with that name. It makes no call.
func (c *Client) Operation(name string) *Operation {
	return &Operation{client: c, state: &longrunningpb.Operation{Name: name}}
}

// Operations yields the caller's own operations, newest first. The filter is an AIP-160 expression such as
// `state = RUNNING`; an empty one matches all.
func (c *Client) Operations(ctx context.Context, filter string) iter.Seq2[*Operation, error] {
	return pages(func(token string) ([]*Operation, string, error) {
		page, err := c.operations.ListOperations(ctx, &longrunningpb.ListOperationsRequest{Filter: filter, PageToken: token})
		var handles []*Operation
		for _, state := range page.GetOperations() {
			handles = append(handles, &Operation{client: c, state: state})
		}
		return handles, page.GetNextPageToken(), c.failure(ctx, err)
	})
}

// Models yields the models that the caller may use, ordered by name.
func (c *Client) Models(ctx context.Context) iter.Seq2[*dragomanv1.Model, error] {
	return pages(func(token string) ([]*dragomanv1.Model, string, error) {
		page, err := c.models.ListModels(ctx, &dragomanv1.ListModelsRequest{PageToken: token})
		return page.GetModels(), page.GetNextPageToken(), c.failure(ctx, err)
	})
}

// Model returns the model with that name or alias.
func (c *Client) Model(ctx context.Context, name string) (*dragomanv1.Model, error) {
	model, err := c.models.GetModel(ctx, &dragomanv1.GetModelRequest{Name: name})
	return model, c.failure(ctx, err)
}

// CountTokens counts the tokens of the prompt, including the model's own template.
func (c *Client) CountTokens(ctx context.Context, request *dragomanv1.CompletionRequest) (*dragomanv1.CountTokensResponse, error) {
	count, err := c.completions.CountTokens(ctx, request)
	return count, c.failure(ctx, err)
}

// Tokenize splits a plain text, or the prompt of a request as the model would see it, into tokens.
func (c *Client) Tokenize(ctx context.Context, request *dragomanv1.TokenizeRequest) ([]*dragomanv1.Token, error) {
	response, err := c.completions.Tokenize(ctx, request)
	return response.GetTokens(), c.failure(ctx, err)
}

// pages yields the items of all pages. The token of the first page is empty, as is the one after the last page.
func pages[T any](read func(token string) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for token, isLast := "", false; !isLast; isLast = token == "" {
			items, next, err := read(token)
			if err != nil {
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			token = next
		}
	}
}

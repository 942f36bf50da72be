package dragoman

import (
	"context"
	"sync"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	dragomanv1 "example.com/dragoman/clients/go/dragoman/v1"
)

const (
	longestWait  = 25 * time.Second // of one WaitOperation; proxies end calls that are silent for a minute
	shortestWait = 2 * time.Second  // of a WaitOperation that no proxy takes for a dead one
	waitSlack    = 10 * time.Second // that the answer to a WaitOperation may be late
	waitMargin   = 200 * time.Millisecond
)

// An Operation is a handle for a long-running completion. It holds the newest state that was read, and is safe for
// concurrent use.
type Operation struct {
	client *Client
	mu     sync.Mutex
	state  *longrunningpb.Operation
}

// Name returns `operations/` followed by an id; [Client.Operation] finds the operation by this name.
func (o *Operation) Name() string { return o.State().GetName() }

// State returns the newest state that was read. It makes no call.
func (o *Operation) State() *longrunningpb.Operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state
}

// Done reports whether the operation had ended, successfully or not, when its state was read. It makes no call.
func (o *Operation) Done() bool { return o.State().GetDone() }

// Status reads the newest state and returns the operation's progress and properties.
func (o *Operation) Status(ctx context.Context) (*dragomanv1.CompletionOperationMetadata, error) {
	if !o.Done() { // a final state never changes
		state, err := o.client.operations.GetOperation(ctx, &longrunningpb.GetOperationRequest{Name: o.Name()})
		if err != nil {
			return nil, o.client.failure(ctx, err)
		}
		o.set(state)
	}
	return o.Metadata(), nil
}

// Metadata returns the progress and properties as they were read; an empty message if they never were. It makes no
// call.
func (o *Operation) Metadata() *dragomanv1.CompletionOperationMetadata {
	metadata := &dragomanv1.CompletionOperationMetadata{}
	if packed := o.State().GetMetadata(); packed.MessageIs(metadata) {
		_ = packed.UnmarshalTo(metadata) // what cannot be read stays empty
	}
	return metadata
}

// Wait returns once the operation is done, successfully or not. It fails if the context ends first, and after the
// client's reconnect timeout without contact with the service. The operation continues then.
func (o *Operation) Wait(ctx context.Context) error {
	longest := longestWait
	reconnect := reconnect{timeout: o.client.reconnectTimeout}
	reconnect.contact()
	for !o.Done() {
		began := time.Now()
		err := o.waitOnce(ctx, longest)
		if err == nil {
			reconnect.contact()
			continue
		}
		failure := o.client.errorOf(ctx, err)
		isSilent := failure.Code == codes.DeadlineExceeded && failure.Metadata == nil // nobody answered
		if ctx.Err() != nil || !isSilent && !failure.Transient() || reconnect.isOver() {
			return failure
		}
		longest = min(longest, max(time.Since(began)/2, shortestWait)) // a proxy may have ended a long one
		if err := reconnect.wait(ctx, failure.RetryAfter); err != nil {
			return o.client.errorOf(ctx, err)
		}
	}
	return nil
}

func (o *Operation) waitOnce(ctx context.Context, longest time.Duration) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < waitMargin {
		<-ctx.Done() // the service would answer at once, to be in time
		return status.FromContextError(ctx.Err()).Err()
	}
	ctx, cancel := context.WithTimeout(ctx, longest+waitSlack)
	defer cancel()
	request := &longrunningpb.WaitOperationRequest{Name: o.Name(), Timeout: durationpb.New(longest)}
	state, err := o.client.operations.WaitOperation(ctx, request, grpc.WaitForReady(true))
	if err == nil {
		o.set(state)
	}
	return err
}

// Result waits for the answer. It fails with the operation's error, and as [Operation.Wait] does.
func (o *Operation) Result(ctx context.Context) (*dragomanv1.Completion, error) {
	if err := o.Wait(ctx); err != nil {
		return nil, err
	}
	state := o.State()
	if proto := state.GetError(); proto != nil {
		return nil, fromStatus(proto)
	}
	completion := &dragomanv1.Completion{}
	if err := state.GetResponse().UnmarshalTo(completion); err != nil {
		return nil, o.client.errorOf(ctx, status.Error(codes.DataLoss, err.Error()))
	}
	return completion, nil
}

// Events returns the stored events after a sequence number, 0 for all, and new ones as they arrive, up to `finished`.
// Leaving does not stop the operation.
func (o *Operation) Events(ctx context.Context, after int64) *Stream {
	s := newStream(ctx, o.client, o.Name(), after, nil)
	s.open = s.attach
	return s
}

// Cancel asks the service to stop the operation, which then ends with CANCELLED unless it ended first.
func (o *Operation) Cancel(ctx context.Context) error {
	_, err := o.client.operations.CancelOperation(ctx, &longrunningpb.CancelOperationRequest{Name: o.Name()})
	return o.client.failure(ctx, err)
}

// Delete deletes the operation and its answer. An operation that is still running is stopped.
func (o *Operation) Delete(ctx context.Context) error {
	_, err := o.client.operations.DeleteOperation(ctx, &longrunningpb.DeleteOperationRequest{Name: o.Name()})
	return o.client.failure(ctx, err)
}

func (o *Operation) set(state *longrunningpb.Operation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state = state
}

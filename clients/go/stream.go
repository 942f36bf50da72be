package dragoman

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	dragomanv1 "example.com/dragoman/clients/go/dragoman/v1"
)

const (
	longestAttach = 10 * time.Minute // of one call, if the caller's context has no deadline
	steady        = 30 * time.Second // a call that lasted longer had reached the service, even without an event
)

type (
	events = grpc.ServerStreamingClient[dragomanv1.CompletionEvent]
	opener = func(context.Context) (events, error)
)

// A Stream is an answer that arrives as events. Only one goroutine may use it.
type Stream struct {
	client    *Client
	ctx       context.Context // of all calls that one iteration makes
	open      opener
	operation string
	last      int64
	deltas    []delta
	finished  *dragomanv1.Finished
	hasEvents bool
	isUsed    bool
	callBegan time.Time
	reconnect reconnect
}

// delta is a fragment of the first choice's text.
type delta struct {
	sequence int64
	text     string
}

func newStream(ctx context.Context, client *Client, operation string, after int64, open opener) *Stream {
	return &Stream{
		client: client, ctx: ctx, open: open, operation: operation, last: after,
		reconnect: reconnect{timeout: client.reconnectTimeout},
	}
}

// All makes the call and yields its events up to `finished`; GetDelta().GetText() of an event is the next fragment of
// the text, empty in other events. It can be ranged over once. Leaving the loop ends the call: that stops the model,
// but not an operation.
//
// The last pair has an error if the completion failed, or if the stream ended without `finished`: what arrived is not
// the complete answer then. If the completion is an operation and the connection or the server is lost, reading
// resumes after the last event received, on any server that the target leads to.
//
// An event with GetRetracted() != nil invalidates earlier ones, because the worker was lost and the completion runs
// again with other words: a program that shows text as it arrives must replace it by [Stream.Text].
func (s *Stream) All() iter.Seq2[*dragomanv1.CompletionEvent, error] {
	return func(yield func(*dragomanv1.CompletionEvent, error) bool) {
		if s.isUsed {
			yield(nil, s.client.errorOf(s.ctx, status.Error(codes.FailedPrecondition, "the stream was read before")))
			return
		}
		s.isUsed = true
		s.reconnect.contact()
		for open := s.open; ; open = s.attach {
			left, err := s.read(open, yield)
			if left {
				return
			}
			again, failure := s.next(err)
			if failure != nil {
				yield(nil, failure)
			}
			if !again {
				return
			}
		}
	}
}

// Text returns the text of the first choice that has arrived, without what was retracted.
func (s *Stream) Text() string {
	var text strings.Builder
	for _, delta := range s.deltas {
		text.WriteString(delta.text)
	}
	return text.String()
}

// Completion returns the complete answer, the same as [Client.Complete] does; nil until it has arrived.
func (s *Stream) Completion() *dragomanv1.Completion { return s.finished.GetCompletion() }

// Operation returns the name of the operation that carries the completion; empty if there is none.
func (s *Stream) Operation() string { return s.operation }

// read makes one call and yields its events. It returns whether the caller has left the loop, and the error of the
// call.
func (s *Stream) read(open opener, yield func(*dragomanv1.CompletionEvent, error) bool) (left bool, err error) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	s.callBegan = time.Now()
	call, err := open(ctx)
	for err == nil {
		var event *dragomanv1.CompletionEvent
		if event, err = call.Recv(); err == nil {
			s.record(event)
			if !yield(event, nil) {
				return true, nil
			}
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return false, err
}

func (s *Stream) attach(ctx context.Context) (events, error) {
	request := &dragomanv1.AttachCompletionRequest{Name: s.operation, AfterSequence: s.last}
	if _, ok := ctx.Deadline(); !ok {
		bounded, cancel := context.WithTimeout(ctx, longestAttach)
		context.AfterFunc(ctx, cancel)
		ctx = bounded
	}
	return s.client.completions.AttachCompletion(ctx, request)
}

func (s *Stream) record(event *dragomanv1.CompletionEvent) {
	s.hasEvents, s.last = true, event.GetSequence()
	s.reconnect.contact()
	if operation := event.GetStarted().GetOperation(); operation != "" {
		s.operation = operation
	}
	if event.GetFinished() != nil {
		s.finished = event.GetFinished()
	}
	if retracted := event.GetRetracted(); retracted != nil {
		for n := len(s.deltas); n > 0 && s.deltas[n-1].sequence >= retracted.GetFromSequence(); n-- {
			s.deltas = s.deltas[:n-1]
		}
	}
	if text := event.GetDelta().GetText(); text != "" && event.GetDelta().GetChoiceIndex() == 0 {
		s.deltas = append(s.deltas, delta{event.GetSequence(), text})
	}
}

// next decides what follows a call that ended: another call, which it waits for, or the end with or without an error.
func (s *Stream) next(err error) (again bool, failure error) {
	if s.finished.GetCompletion() != nil {
		return false, nil
	}
	if proto := s.finished.GetError(); proto != nil {
		return false, fromStatus(proto)
	}
	ended := s.errorOfCall(err)
	isTimeUp := ended.Code == codes.DeadlineExceeded
	if isTimeUp && ended.Metadata != nil || time.Since(s.callBegan) > steady {
		s.reconnect.contact()
	}
	if s.operation == "" || s.ctx.Err() != nil || !isTimeUp && !ended.Transient() || s.reconnect.isOver() {
		return false, ended
	}
	if err := s.reconnect.wait(s.ctx, ended.RetryAfter); err != nil {
		return false, s.client.errorOf(s.ctx, err)
	}
	return true, nil
}

// errorOfCall returns the error of a call that ended without `finished`.
func (s *Stream) errorOfCall(err error) *Error {
	details := s.client.target + " closed it"
	if err != nil {
		failure := s.client.errorOf(s.ctx, err)
		if !failure.lost || !s.hasEvents {
			return failure
		}
		details = "the connection to " + s.client.target + " was lost, " + status.Convert(err).Message()
	}
	return interrupted(s.operation, s.last, details)
}

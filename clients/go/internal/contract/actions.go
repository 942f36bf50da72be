package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"

	dragoman "example.com/dragoman/clients/go"
	dragomanv1 "example.com/dragoman/clients/go/dragoman/v1"
)

var actions = map[string]func(*trial, context.Context) error{
	"complete":  (*trial).complete,
	"stream":    (*trial).stream,
	"operation": (*trial).operation,
	"attach":    (*trial).attach,
	"resume":    (*trial).resume,
	"retracted": (*trial).retracted,
	"cancel":    (*trial).cancel,
	"deadline":  (*trial).deadline,
	"error":     (*trial).deliver,
	"blocked":   (*trial).deliver,
	"health":    (*trial).health,
	"paging":    (*trial).paging,
	"tokens":    (*trial).tokens,
}

func (t *trial) complete(ctx context.Context) error {
	names := map[string]bool{}
	for range max(t.Options.Times, 1) {
		completion, err := t.client.Complete(ctx, t.request)
		if err := t.ended(completion, nil, err); err != nil {
			return err
		}
		names[completion.GetName()] = true
	}
	return check(len(names) == 1, "names of the completions", "one", names)
}

func (t *trial) stream(ctx context.Context) error {
	r, err := readAll(t.client.Stream(ctx, t.request), ignore)
	return t.ended(r.stream.Completion(), r.deltas, err)
}

func (t *trial) operation(ctx context.Context) error {
	operation, err := t.client.Start(ctx, t.request)
	if err != nil {
		return t.ended(nil, nil, err)
	}
	name := operation.Name()
	if err := operation.Wait(ctx); err != nil {
		return err
	}
	completion, err := operation.Result(ctx)
	if err := t.ended(completion, nil, err); err != nil {
		return err
	}
	if !strings.HasPrefix(name, "operations/") || operation.Name() != name {
		return fmt.Errorf("the operation is named %q, then %q", name, operation.Name())
	}
	if !t.Options.Delete {
		return nil
	}
	if err := operation.Delete(ctx); err != nil {
		return err
	}
	var e *dragoman.Error
	err = t.client.Operation(name).Wait(ctx)
	return check(errors.As(err, &e) && e.Code == codes.NotFound, "waiting for a deleted operation", codes.NotFound, err)
}

func (t *trial) attach(ctx context.Context) error {
	operation, err := t.client.Start(ctx, t.request)
	if err != nil {
		return err
	}
	if !t.Options.Running {
		if err := operation.Wait(ctx); err != nil {
			return err
		}
	}
	all, err := readAll(operation.Events(ctx, 0), ignore)
	if err := t.ended(all.stream.Completion(), all.deltas, err); err != nil {
		return err
	}
	if all.sequences[0] != 1 {
		return fmt.Errorf("the first event has number %d", all.sequences[0])
	}
	after := t.Options.AfterSequence
	rest := &reading{}
	for event, err := range operation.Events(ctx, int64(after)).All() {
		if err != nil {
			return err
		}
		rest.sequences = append(rest.sequences, event.GetSequence())
		rest.texts = append(rest.texts, event.GetDelta().GetText())
	}
	return errors.Join(
		check(slices.Equal(rest.sequences, all.sequences[after:]), "numbers", all.sequences[after:], rest.sequences),
		check(slices.Equal(rest.texts, all.texts[after:]), "texts", all.texts[after:], rest.texts),
	)
}

func (t *trial) resume(ctx context.Context) error {
	stream, err := t.open(ctx)
	if err != nil {
		return err
	}
	cuts := 0
	r, err := readAll(stream, func(count int) error {
		if cuts < max(t.Options.Cuts, 1) && count == (cuts+1)*t.Options.CutAfter {
			cuts++
			return t.post("cut")
		}
		return nil
	})
	return errors.Join(t.ended(stream.Completion(), r.deltas, err), check(cuts == max(t.Options.Cuts, 1), "cuts", t.Options.Cuts, cuts))
}

func (t *trial) retracted(ctx context.Context) error {
	stream, err := t.open(ctx)
	if err != nil {
		return err
	}
	r, err := readAll(stream, func(count int) error {
		if count == t.Options.KillAfter {
			return t.post("kill-worker")
		}
		return nil
	})
	return errors.Join(t.ended(stream.Completion(), r.deltas, err), check(r.retraction, "retracted", true, r.retraction))
}

func (t *trial) cancel(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if t.Options.Via == "stream" {
		if err := t.leaveStream(ctx); err != nil {
			return err
		}
		return t.expectStopped()
	}
	failure := make(chan error, 1)
	stop, err := t.begin(ctx, cancel, failure)
	if err != nil {
		return err
	}
	isRunning := func(count int) bool { return count >= 1 }
	if err := t.waitUntilRunning(isRunning, stopsWithin); err != nil {
		return err
	}
	if err := stop(); err != nil {
		return err
	}
	if err := t.ended(nil, nil, <-failure); err != nil {
		return err
	}
	return t.expectStopped()
}

// begin starts a completion that ends with failure, and returns what stops it.
func (t *trial) begin(ctx context.Context, cancel func(), failure chan<- error) (stop func() error, err error) {
	if t.Options.Via == "complete" {
		go func() {
			_, err := t.client.Complete(ctx, t.request)
			failure <- err
		}()
		return func() error { cancel(); return nil }, nil
	}
	operation, err := t.client.Start(ctx, t.request)
	if err != nil {
		return nil, err
	}
	go func() {
		_, err := operation.Result(ctx)
		failure <- err
	}()
	return func() error { return operation.Cancel(ctx) }, nil
}

// leaveStream leaves the loop over a stream, which is how Go cancels it.
func (t *trial) leaveStream(ctx context.Context) error {
	count := 0
	for event, err := range t.client.Stream(ctx, t.request).All() {
		if err != nil {
			return err
		}
		if event.GetDelta().GetText() != "" {
			count++
		}
		if count == t.Options.CancelAfter {
			return nil
		}
	}
	return errors.New("the stream ended before it was cancelled")
}

func (t *trial) deadline(ctx context.Context) error {
	return errors.Join(t.deliver(ctx), t.expectStopped())
}

// deliver makes the call that options.via names.
func (t *trial) deliver(ctx context.Context) error {
	if t.Options.Timeout > 0 {
		bounded, cancel := context.WithTimeout(ctx, time.Duration(t.Options.Timeout*float64(time.Second)))
		defer cancel()
		ctx = bounded
	}
	switch t.Options.Via {
	case "complete":
		return t.complete(ctx)
	case "stream":
		return t.stream(ctx)
	case "start":
		_, err := t.client.Start(ctx, t.request)
		return t.ended(nil, nil, err)
	case "count_tokens":
		_, err := t.client.CountTokens(ctx, t.request)
		return t.ended(nil, nil, err)
	case "tokenize":
		_, err := t.client.Tokenize(ctx, &dragomanv1.TokenizeRequest{Model: t.request.Model, Input: &dragomanv1.TokenizeRequest_Request{Request: t.request}})
		return t.ended(nil, nil, err)
	case "operation":
		return t.operation(ctx)
	}
	return fmt.Errorf("unknown options.via: %q", t.Options.Via)
}

func (t *trial) health(ctx context.Context) error {
	request := &grpc_health_v1.HealthCheckRequest{Service: t.Options.Service}
	response, err := grpc_health_v1.NewHealthClient(t.client.Conn()).Check(ctx, request)
	if err != nil {
		return err
	}
	return check(response.GetStatus().String() == t.Expect.Status, "status", t.Expect.Status, response.GetStatus())
}

func (t *trial) paging(ctx context.Context) error {
	var names []string
	for model, err := range t.client.Models(ctx) {
		if err != nil {
			return err
		}
		names = append(names, model.GetName())
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(names)))
	return errors.Join(
		check(len(names) == t.Expect.Models, "models", t.Expect.Models, len(names)),
		check(slices.Equal(names, sorted), "order of the models", sorted, names),
	)
}

func (t *trial) tokens(ctx context.Context) error {
	if t.Expect.InputTokens > 0 {
		count, err := t.client.CountTokens(ctx, t.request)
		if err != nil {
			return err
		}
		if err := check(count.GetInputTokens() == t.Expect.InputTokens, "input_tokens", t.Expect.InputTokens, count); err != nil {
			return err
		}
	}
	if t.Expect.Tokens == nil {
		return nil
	}
	request := &dragomanv1.TokenizeRequest{Model: t.request.Model, Input: &dragomanv1.TokenizeRequest_Text{Text: t.Options.Text}}
	tokens, err := t.client.Tokenize(ctx, request)
	if err != nil {
		return err
	}
	var texts []string
	for _, token := range tokens {
		texts = append(texts, token.GetText())
	}
	return check(slices.Equal(texts, t.Expect.Tokens), "tokens", t.Expect.Tokens, texts)
}

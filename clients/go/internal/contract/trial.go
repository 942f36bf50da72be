package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	dragoman "example.com/dragoman/clients/go"
	dragomanv1 "example.com/dragoman/clients/go/dragoman/v1"
)

const stopsWithin = 5 * time.Second // a completion whose caller left

// trial is a case that runs.
type trial struct {
	*testCase
	client  *dragoman.Client
	request *dragomanv1.CompletionRequest
	control string
}

func (t *trial) readRequest() (*dragomanv1.CompletionRequest, error) {
	request := &dragomanv1.CompletionRequest{}
	if t.Request == nil {
		return request, nil
	}
	if err := protojson.Unmarshal(t.Request, request); err != nil {
		return nil, err
	}
	if request.RequestId != "" {
		request.RequestId += "-" + rand.Text()
	}
	if t.Options.Repeat > 0 {
		part := request.Messages[len(request.Messages)-1].Parts[0]
		part.Content = &dragomanv1.Part_Text{Text: strings.Repeat(part.GetText(), t.Options.Repeat)}
	}
	return request, nil
}

// reading is what a stream has delivered.
type reading struct {
	stream     *dragoman.Stream
	deltas     []string // as they came, without what was retracted
	sequences  []int64
	texts      []string // of each event
	retraction bool
}

// readAll reads a stream to its end. onDelta is called after each text delta with their number; an error ends the reading.
func readAll(stream *dragoman.Stream, onDelta func(count int) error) (*reading, error) {
	r := &reading{stream: stream}
	count := 0
	var starts []int64 // the sequence number of each delta
	for event, err := range stream.All() {
		if err != nil {
			return r, err
		}
		text := event.GetDelta().GetText()
		r.sequences = append(r.sequences, event.GetSequence())
		r.texts = append(r.texts, text)
		if retracted := event.GetRetracted(); retracted != nil {
			r.retraction = true
			for len(starts) > 0 && starts[len(starts)-1] >= retracted.GetFromSequence() {
				starts, r.deltas = starts[:len(starts)-1], r.deltas[:len(starts)-1]
			}
		}
		if text == "" {
			continue
		}
		r.deltas, starts = append(r.deltas, text), append(starts, event.GetSequence())
		count++
		if err := onDelta(count); err != nil {
			return r, err
		}
	}
	if joined := strings.Join(r.deltas, ""); joined != stream.Text() {
		return r, fmt.Errorf("the deltas are %q, but the stream's text is %q", joined, stream.Text())
	}
	if answer := dragoman.Text(stream.Completion()); answer != stream.Text() {
		return r, fmt.Errorf("the deltas are %q, but the answer is %q", stream.Text(), answer)
	}
	return r, consecutive(r.sequences)
}

func consecutive(sequences []int64) error {
	for index, sequence := range sequences {
		if sequence != sequences[0]+int64(index) {
			return fmt.Errorf("sequence numbers have gaps or repetitions: %v", sequences)
		}
	}
	return nil
}

func ignore(int) error { return nil }

// open starts the delivery that options.via names, for reading.
func (t *trial) open(ctx context.Context) (*dragoman.Stream, error) {
	switch t.Options.Via {
	case "stream":
		return t.client.Stream(ctx, t.request), nil
	case "events":
		operation, err := t.client.Start(ctx, t.request)
		if err != nil {
			return nil, err
		}
		return operation.Events(ctx, 0), nil
	}
	return nil, fmt.Errorf("unknown options.via: %q", t.Options.Via)
}

func (t *trial) post(path string) error {
	response, err := http.Post(t.control+"/"+path, "text/plain", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(response.Body)
		return fmt.Errorf("POST %s answered %s: %s", path, response.Status, body)
	}
	return nil
}

// running returns the number of completions that run at providers.
func (t *trial) running() (int, error) {
	response, err := http.Get(t.control + "/running")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(body)))
}

// waitUntilRunning waits until the number of running completions passes the test.
func (t *trial) waitUntilRunning(passes func(int) bool, limit time.Duration) error {
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		count, err := t.running()
		if err != nil || passes(count) {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d completions run after %s", count, limit)
		}
	}
}

func (t *trial) expectStopped() error {
	return t.waitUntilRunning(func(count int) bool { return count == 0 }, stopsWithin)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	dragoman "example.com/dragoman/clients/go"
	dragomanv1 "example.com/dragoman/clients/go/dragoman/v1"
)

func main() {
	ctx := context.Background()
	client, err := dragoman.New("completions.example.com:443", dragoman.WithKey("KEY"), dragoman.WithCAFile("ca.pem"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	short, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for event, err := range client.Stream(short, dragoman.Request("local", "Count to five.")).All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(event.GetDelta().GetText())
	}
	fmt.Println()

	var failure *dragoman.Error
	_, err = client.Complete(ctx, dragoman.Request("nobody", "Hello!"))
	if errors.As(err, &failure) {
		fmt.Println(failure.Code, failure.Reason, len(failure.Fields), failure.RetryAfter)
	}

	operation, err := client.Start(ctx, dragoman.Request("local", "Describe a lighthouse."))
	if err != nil {
		log.Fatal(err)
	}
	completion, err := operation.Result(ctx) // waits until ctx ends
	if err != nil {
		log.Fatal(err)
	}
	kind, _, _ := strings.Cut(operation.Name(), "/")
	fmt.Println(kind, dragoman.Text(completion))
	if err := operation.Delete(ctx); err != nil {
		log.Fatal(err)
	}

	request := dragoman.Request("local", "Name three fruits.")
	request.DisconnectPolicy = dragomanv1.DisconnectPolicy_DISCONNECT_POLICY_CONTINUE
	stream, last := client.Stream(ctx, request), int64(0)
	for event, err := range stream.All() {
		if err != nil {
			log.Fatal(err)
		}
		last = event.GetSequence()
	}
	fmt.Println(stream.Text())
	for event, err := range client.Operation(stream.Operation()).Events(ctx, last-1).All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.GetFinished() != nil)
	}
}

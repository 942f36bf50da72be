// Prints a streamed answer of the service at 127.0.0.1:50051, which `make run` starts.
//
//	go run ./example "What is the capital of France?"
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	dragoman "example.com/dragoman/clients/go"
)

func main() {
	log.SetFlags(0)
	prompt := "What is the capital of France?"
	if len(os.Args) > 1 {
		prompt = strings.Join(os.Args[1:], " ")
	}
	if err := answer(context.Background(), prompt); err != nil {
		log.Fatal(err)
	}
}

func answer(ctx context.Context, prompt string) error {
	client, err := dragoman.New("") // $DRAGOMAN_TARGET, else 127.0.0.1:50051
	if err != nil {
		return err
	}
	defer client.Close()
	stream := client.Stream(ctx, dragoman.Request("local", prompt))
	for event, err := range stream.All() {
		if err != nil {
			return err
		}
		fmt.Print(event.GetDelta().GetText())
	}
	fmt.Printf("\n%d tokens\n", stream.Completion().GetUsage().GetOutputTokens())
	return nil
}

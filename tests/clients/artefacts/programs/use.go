package main

import (
	"context"
	"fmt"
	"log"
	"os"

	dragoman "example.com/dragoman/clients/go"
)

func main() {
	ctx := context.Background()
	client, err := dragoman.New(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	stream := client.Stream(ctx, dragoman.Request("echo", "Hello from the module!"))
	for event, err := range stream.All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(event.GetDelta().GetText())
	}
	fmt.Println()
	operation, err := client.Start(ctx, dragoman.Request("echo", "An operation."))
	if err != nil {
		log.Fatal(err)
	}
	completion, err := operation.Result(ctx)
	fmt.Println(dragoman.Text(completion), err)
}

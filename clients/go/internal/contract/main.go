// Runs the cases of the contract suite with this client: `contract cases.json servers.json`. It prints one JSON object
// a line for each case; tests/clients/contract/README.md describes cases, actions and expectations.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	dragoman "example.com/dragoman/clients/go"
)

const longestCase = 60 * time.Second

type testCase struct {
	Name, Action, Server string
	Request              json.RawMessage
	Options              options
	Expect               expectations
}

type options struct {
	Times         int
	Repeat        int
	Delete        bool
	AfterSequence int `json:"after_sequence"`
	Running       bool
	Via           string
	CutAfter      int `json:"cut_after"`
	Cuts          int
	KillAfter     int `json:"kill_after"`
	CancelAfter   int `json:"cancel_after"`
	Timeout       float64
	Key           *string
	Service       string
	Text          string
}

type server struct{ Target, CA, Key string }

type outcome struct {
	Case    string `json:"case"`
	Status  string `json:"status"`
	Message string `json:"message"`
}

var errUnsupported = errors.New("this runner does not know the action")

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: contract cases.json servers.json")
	}
	var cases []json.RawMessage
	var servers map[string]json.RawMessage
	read(os.Args[1], &cases)
	read(os.Args[2], &servers)
	lines := json.NewEncoder(os.Stdout)
	for _, raw := range cases {
		if err := lines.Encode(run(raw, servers)); err != nil {
			log.Fatal(err)
		}
	}
}

func read(path string, into any) {
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(raw json.RawMessage, servers map[string]json.RawMessage) outcome {
	var c testCase
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields() // so that nothing is left unchecked in silence
	err := decoder.Decode(&c)
	if err == nil {
		err = attempt(&c, servers)
	}
	switch {
	case errors.Is(err, errUnsupported):
		return outcome{c.Name, "unsupported", err.Error()}
	case err != nil:
		return outcome{c.Name, "failed", err.Error()}
	}
	return outcome{c.Name, "passed", ""}
}

// attempt runs a case with a client of its own, for 60 s at most.
func attempt(c *testCase, servers map[string]json.RawMessage) error {
	t := trial{testCase: c}
	if err := json.Unmarshal(servers["control"], &t.control); err != nil {
		return err
	}
	var address server
	if err := json.Unmarshal(servers[c.Server], &address); err != nil {
		return fmt.Errorf("server %q: %w", c.Server, err)
	}
	var err error
	if t.client, err = connect(address, c.Options.Key); err != nil {
		return err
	}
	defer t.client.Close()
	if t.request, err = t.readRequest(); err != nil {
		return err
	}
	action, ok := actions[c.Action]
	if !ok {
		return errUnsupported
	}
	ctx, cancel := context.WithTimeout(context.Background(), longestCase)
	defer cancel()
	return action(&t, ctx)
}

func connect(address server, key *string) (*dragoman.Client, error) {
	sent := address.Key
	if key != nil {
		sent = *key
	}
	chosen := []dragoman.Option{dragoman.WithKey(sent)}
	if address.CA != "" {
		chosen = append(chosen, dragoman.WithCAFile(address.CA))
	}
	return dragoman.New(address.Target, chosen...)
}

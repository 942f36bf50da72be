package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	dragoman "example.com/dragoman/clients/go"
	dragomanv1 "example.com/dragoman/clients/go/dragoman/v1"
)

type expectations struct {
	Text         *string
	Echo         bool
	FinishReason string `json:"finish_reason"`
	Usage        map[string]int64
	MinDeltas    int      `json:"min_deltas"`
	FirstDeltas  []string `json:"first_deltas"`
	Logprobs     int
	MinBytes     int `json:"min_bytes"`
	Blocked      string
	Code         string
	Reason       *string
	Fields       []string
	RetryAfter   float64 `json:"retry_after"`
	CallID       *bool   `json:"call_id"`
	Status       string
	Models       int
	InputTokens  int64 `json:"input_tokens"`
	Tokens       []string
}

// check returns an error if the condition does not hold.
func check(holds bool, what string, expected, came any) error {
	if holds {
		return nil
	}
	return fmt.Errorf("%s: expected %s, came %s", what, shortened(expected), shortened(came))
}

func shortened(value any) string {
	if text := fmt.Sprintf("%q", fmt.Sprint(value)); len(text) > 300 {
		return text[:300] + "…"
	} else {
		return text
	}
}

// ended checks how a delivery ended: with the answer, or with the error that the case expects.
func (t *trial) ended(completion *dragomanv1.Completion, deltas []string, err error) error {
	if t.Expect.Code != "" {
		return t.failed(err)
	}
	if err != nil {
		return err
	}
	return errors.Join(t.answered(completion), t.streamed(deltas))
}

func (t *trial) answered(completion *dragomanv1.Completion) error {
	expect, text := t.Expect, dragoman.Text(completion)
	if len(completion.GetChoices()) == 0 {
		return errors.New("the answer has no choice")
	}
	choice := completion.GetChoices()[0]
	var errs []error
	note := func(holds bool, what string, expected, came any) {
		errs = append(errs, check(holds, what, expected, came))
	}
	if expect.Text != nil {
		note(text == *expect.Text, "text", *expect.Text, text)
	}
	if expect.Echo {
		sent := t.request.Messages[len(t.request.Messages)-1].Parts[0].GetText()
		note(text == sent, "echo", sent, text)
	}
	if expect.FinishReason != "" {
		came := choice.GetFinishReason().String()
		note(came == expect.FinishReason, "finish_reason", expect.FinishReason, came)
	}
	usage := completion.GetUsage().ProtoReflect()
	for name, expected := range expect.Usage {
		field := usage.Descriptor().Fields().ByTextName(name)
		note(field != nil && usage.Get(field).Int() == expected, "usage "+name, expected, completion.GetUsage())
	}
	if expect.Logprobs > 0 {
		note(len(choice.GetLogprobs()) == expect.Logprobs, "logprobs", expect.Logprobs, len(choice.GetLogprobs()))
	}
	note(proto.Size(completion) >= expect.MinBytes, "min_bytes", expect.MinBytes, proto.Size(completion))
	if expect.Blocked != "" {
		note(isBlocked(choice.GetSafety(), expect.Blocked), "blocked", expect.Blocked, choice.GetSafety())
	}
	return errors.Join(errs...)
}

func isBlocked(safety *dragomanv1.SafetyAssessment, category string) bool {
	return safety.GetBlocked() && slices.ContainsFunc(safety.GetRatings(), func(rating *dragomanv1.SafetyRating) bool {
		return rating.GetCategory() == category && rating.GetBlocked()
	})
}

func (t *trial) streamed(deltas []string) error {
	first := t.Expect.FirstDeltas
	return errors.Join(
		check(len(deltas) >= t.Expect.MinDeltas, "min_deltas", t.Expect.MinDeltas, len(deltas)),
		check(len(deltas) >= len(first) && slices.Equal(deltas[:len(first)], first), "first_deltas", first, deltas),
	)
}

// failed checks an error against code, reason, fields, retry_after and call_id.
func (t *trial) failed(err error) error {
	expect := t.Expect
	var e *dragoman.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("expected an error %s, came %v", expect.Code, err)
	}
	var code codes.Code
	if err := code.UnmarshalJSON([]byte(`"` + expect.Code + `"`)); err != nil {
		return err
	}
	errs := []error{check(e.Code == code, "code", code, err)}
	if expect.Reason != nil {
		came := ""
		if e.Reason != dragomanv1.ErrorReason_ERROR_REASON_UNSPECIFIED {
			came = strings.TrimPrefix(e.Reason.String(), "ERROR_REASON_")
		}
		errs = append(errs, check(came == *expect.Reason, "reason", *expect.Reason, err))
	}
	if expect.Fields != nil {
		var came []string
		for _, field := range e.Fields {
			came = append(came, field.Field)
		}
		expected := slices.Sorted(slices.Values(expect.Fields))
		slices.Sort(came)
		errs = append(errs, check(slices.Equal(came, expected), "fields", expected, came))
	}
	if expect.RetryAfter > 0 {
		expected := time.Duration(expect.RetryAfter * float64(time.Second))
		errs = append(errs, check(e.RetryAfter == expected, "retry_after", expected, e.RetryAfter))
	}
	if expect.CallID != nil {
		errs = append(errs, check((e.CallID != "") == *expect.CallID, "call_id", *expect.CallID, e.CallID))
	}
	return errors.Join(errs...)
}

package dragoman

import (
	"strings"

	dragomanv1 "example.com/dragoman/clients/go/dragoman/v1"
)

// Request returns a request to a model with one message of a user. Set its other fields as you need them.
func Request(model, text string) *dragomanv1.CompletionRequest {
	return &dragomanv1.CompletionRequest{
		Model:    model,
		Messages: []*dragomanv1.Message{Message(dragomanv1.Role_ROLE_USER, text)},
	}
}

// Message returns a message with one text.
func Message(role dragomanv1.Role, text string) *dragomanv1.Message {
	parts := []*dragomanv1.Part{{Content: &dragomanv1.Part_Text{Text: text}}}
	return &dragomanv1.Message{Role: role, Parts: parts}
}

// Text returns the text of an answer's first choice. It is empty if the model answered with tool calls alone.
func Text(completion *dragomanv1.Completion) string {
	var text strings.Builder
	for _, choice := range completion.GetChoices() {
		if choice.GetIndex() != 0 {
			continue
		}
		for _, part := range choice.GetMessage().GetParts() {
			text.WriteString(part.GetText())
		}
	}
	return text.String()
}

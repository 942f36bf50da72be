package dragoman

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	dragomanv1 "example.com/dragoman/clients/go/dragoman/v1"
)

const (
	domain       = "dragoman"
	reasonPrefix = "ERROR_REASON_"
)

// An Error is the failure of a call or of an operation.
type Error struct {
	// Code is the status code.
	Code codes.Code
	// Reason is ERROR_REASON_UNSPECIFIED if the failure did not come from the service, for example if the connection
	// was refused.
	Reason dragomanv1.ErrorReason
	// Message is the human-readable reason.
	Message string
	// Fields are the invalid fields of the request.
	Fields []FieldViolation
	// RetryAfter is the time to wait before a retry; 0 if the service did not say.
	RetryAfter time.Duration
	// CallID finds the failed call in the service's log; empty if the failure did not come from the service.
	CallID string
	// Metadata holds call_id, retryable and, where they apply, model, provider and upstream_status.
	Metadata map[string]string

	proto *statuspb.Status
	// lost: the connection failed rather than the call. A proxy or gRPC itself made the status.
	lost bool
}

// A FieldViolation is an invalid field: its path in the request, and what is allowed there.
type FieldViolation struct {
	Field, Description string
}

// Error returns the message with the reason and the id of the call.
func (e *Error) Error() string {
	reason := e.Code.String()
	if e.Reason != dragomanv1.ErrorReason_ERROR_REASON_UNSPECIFIED {
		reason = strings.TrimPrefix(e.Reason.String(), reasonPrefix)
	}
	if e.CallID != "" {
		reason += ", call " + e.CallID
	}
	return fmt.Sprintf("%s (%s)", e.Message, reason)
}

// GRPCStatus returns the status as gRPC has it, so that [status.FromError] and [status.Code] accept the error.
func (e *Error) GRPCStatus() *status.Status { return status.FromProto(e.proto) }

// Is reports whether the caller's own context ended the call, for [errors.Is] with an error of package context.
func (e *Error) Is(target error) bool {
	switch target {
	case context.Canceled:
		return e.Code == codes.Canceled && e.Metadata == nil && !e.lost
	case context.DeadlineExceeded:
		return e.Code == codes.DeadlineExceeded
	}
	return false
}

// Transient reports whether the same call may succeed a moment later.
func (e *Error) Transient() bool {
	return e.lost || e.Code == codes.Unavailable && e.Metadata["retryable"] != "false"
}

// fromStatus returns the error that a status describes, such as that of an operation.
func fromStatus(proto *statuspb.Status) *Error {
	e := &Error{Code: codes.Code(proto.GetCode()), Message: proto.GetMessage(), proto: proto}
	for _, detail := range status.FromProto(proto).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.GetDomain() == domain {
				e.Reason = dragomanv1.ErrorReason(dragomanv1.ErrorReason_value[reasonPrefix+detail.GetReason()])
				e.CallID = detail.GetMetadata()["call_id"]
				e.Metadata = detail.GetMetadata()
			}
		case *errdetails.RetryInfo:
			e.RetryAfter = detail.GetRetryDelay().AsDuration()
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				e.Fields = append(e.Fields, FieldViolation{violation.GetField(), violation.GetDescription()})
			}
		}
	}
	return e
}

// failure returns the error of a call as an *Error, or nil if there is none. ctx is the caller's.
func (c *Client) failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return c.errorOf(ctx, err)
}

func (c *Client) errorOf(ctx context.Context, err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	e := fromStatus(status.Convert(err).Proto())
	if e.Metadata != nil { // the service attaches its reason to each of its errors
		return e
	}
	details := strings.TrimRight(e.Message, ".!")
	switch e.Code {
	case codes.Unavailable:
		e.Message = fmt.Sprintf("cannot reach %s: %s. Check that the service runs there, that the address is right, "+
			"and that both sides use TLS or neither does", c.target, details)
	case codes.DeadlineExceeded:
		e.Message = fmt.Sprintf("no answer from %s in time: %s. Allow more time, or check that the service can be reached",
			c.target, details)
	case codes.Unimplemented:
		e.Message = fmt.Sprintf("%s does not have this method: %s. Check that it runs a version of the service that fits "+
			"this client", c.target, details)
	default:
		e.Message = fmt.Sprintf("%s answered: %s", c.target, details)
	}
	e.lost = ctx.Err() == nil && isLost(e.Code) && !errors.Is(err, errClosing)
	return e
}

// errClosing is what gRPC returns for calls of a client that its program closed.
var errClosing = status.Error(codes.Canceled, "grpc: the client connection is closing")

// isLost reports whether a status without details may be that of a connection: proxies end streams with INTERNAL or
// CANCELLED, and gRPC makes UNKNOWN of what a proxy answers itself.
func isLost(code codes.Code) bool {
	switch code {
	case codes.Unavailable, codes.Internal, codes.Unknown, codes.Canceled:
		return true
	}
	return false
}

// interrupted returns the error of a stream that ended before its answer was complete. last is the number of the last
// event, and operation the name of the operation, which continues; empty if there is none.
func interrupted(operation string, last int64, details string) *Error {
	message := fmt.Sprintf("the stream ended without `finished`: %s. The answer is incomplete; send the request again", details)
	if operation != "" {
		message = fmt.Sprintf("the events of %s ended after number %d: %s. The operation continues; attach again after that number",
			operation, last, details)
	}
	e := fromStatus(&statuspb.Status{Code: int32(codes.Unavailable), Message: message})
	e.lost = true
	return e
}

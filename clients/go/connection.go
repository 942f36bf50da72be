package dragoman

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // for the health checks of the service config, if a balancer makes them
	"google.golang.org/grpc/keepalive"
)

// DefaultTarget is the address of a service on this machine.
const DefaultTarget = "127.0.0.1:50051"

const (
	version                 = "0.1.0"
	envTarget               = "DRAGOMAN_TARGET"
	envKey                  = "DRAGOMAN_API_KEY"
	maxMessageBytes         = 64 << 20 // for long answers with the log probability of each token
	defaultReconnectTimeout = 2 * time.Minute
)

// A copy of clients/dragoman_grpc_service_config.json, because a module embeds only its own files: what gRPC repeats
// by itself while the service is unavailable.
//
//go:embed dragoman_grpc_service_config.json
var serviceConfig string

// An Option changes a setting of a Client.
type Option func(*settings)

type settings struct {
	key              string
	tls              *tls.Config
	reconnectTimeout time.Duration
	dial             []grpc.DialOption
	err              error
}

// WithKey sends an API key with each call; an empty one sends none. Default: $DRAGOMAN_API_KEY, else none. Without
// TLS, the network can read the key.
func WithKey(key string) Option {
	return func(s *settings) { s.key = key }
}

// WithTLS connects over TLS; nil trusts the authorities of the system. Default: no TLS.
func WithTLS(config *tls.Config) Option {
	return func(s *settings) {
		s.tls = config.Clone()
		if s.tls == nil {
			s.tls = &tls.Config{}
		}
	}
}

// WithCAFile connects over TLS and trusts only the authorities in a PEM file.
func WithCAFile(path string) Option {
	return func(s *settings) {
		pem, err := os.ReadFile(path)
		pool := x509.NewCertPool()
		if err == nil && !pool.AppendCertsFromPEM(pem) {
			err = fmt.Errorf("%s has no certificate in PEM format", path)
		}
		if err != nil {
			s.err = errors.Join(s.err, err)
			return
		}
		WithTLS(&tls.Config{RootCAs: pool})(s)
	}
}

// WithReconnectTimeout sets the time without contact with the service after which reading or awaiting an operation
// fails. Default: two minutes.
func WithReconnectTimeout(timeout time.Duration) Option {
	return func(s *settings) { s.reconnectTimeout = timeout }
}

// WithDialOptions adds options of gRPC's own, such as interceptors. They override those of the client.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, options...) }
}

func newSettings(options []Option) (*settings, error) {
	s := &settings{key: os.Getenv(envKey), reconnectTimeout: defaultReconnectTimeout}
	for _, option := range options {
		option(s)
	}
	s.key = strings.TrimSpace(s.key)
	if strings.ContainsFunc(s.key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, errors.New("the API key has characters that no API key contains: copy the complete key and nothing else")
	}
	return s, s.err
}

func (s *settings) dialOptions() []grpc.DialOption {
	transport := insecure.NewCredentials()
	if s.tls != nil {
		transport = credentials.NewTLS(s.tls)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithUserAgent("dragoman-go/" + version),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDisableServiceConfig(), // no DNS look-up for one of the target's own
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageBytes), grpc.MaxCallSendMsgSize(maxMessageBytes)),
		// Detects a frozen service while calls wait for it. The service allows more pings than that.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}),
		// Short enough to find a restarted service within the repetitions of the service config.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
	}
	if s.key != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(s.key)))
	}
	return append(options, s.dial...)
}

// bearer is an API key. It does not require TLS, because a service on the same machine needs none.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }

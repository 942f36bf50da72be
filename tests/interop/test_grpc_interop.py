"""The interop client of grpc-go against TestService on the native transport.

Source of the cases: github.com/grpc/grpc, doc/interop-test-descriptions.md. grpc-go has none for compression, which
the conformance runner covers.
"""

from __future__ import annotations

import subprocess

import pytest

CASES = (
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "status_code_and_message",
    "special_status_message",
    "custom_metadata",
    "unimplemented_method",
    "unimplemented_service",
    "rpc_soak",
    "channel_soak",
)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("case", CASES)
def test_grpc_go_finds_nothing(program, served, authority, case, tls):
    trust = ["-use_tls", "-use_test_ca", "-ca_file", authority["ca"], "-server_host_override", "localhost"]
    where = ["-server_host", "127.0.0.1", "-server_port", served(tls)]
    command = [program("client"), *where, "-test_case", case, "-soak_iterations", "50", *(trust if tls else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr

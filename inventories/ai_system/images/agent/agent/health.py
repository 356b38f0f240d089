"""``agent-health``: is the agent in this container well? Standard library only, because it runs every few seconds.

It asks the agent's loop through a Unix socket: the same loop that serves ZeroMQ, without
the cost of loading ZeroMQ for each check (measured: 17 ms of CPU instead of 48).
"""

import json
import os
import socket
import sys

SOCKET = "/tmp/agent-health.sock"  # a tmpfs in every container of the example
TIMEOUT = 3.0


def check(path: str) -> "tuple[bool, str]":
    """(healthy, reason)"""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(path)
            payload = b""
            while True:
                chunk = connection.recv(4096)
                if not chunk:
                    break
                payload += chunk
        answer = json.loads(payload)
    except (OSError, ValueError) as error:
        return False, f"the agent does not answer at {path}: {error}"
    return bool(answer.get("healthy")), str(answer.get("reason") or "")


def main() -> int:
    healthy, reason = check(os.environ.get("AGENT_HEALTH_SOCKET", SOCKET))
    sys.stdout.write("healthy\n" if healthy else f"unhealthy: {reason}\n")
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())

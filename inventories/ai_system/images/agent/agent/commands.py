"""The commands of the image: ``agent ROLE``, ``agent-call URL OP [JSON]``, ``agent-ping URL [--count N]``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import typing as t

from .client import Connection
from .health import SOCKET
from .log import Log
from .message import Refused
from .roles import ROLES, load
from .server import serve
from .setting import Setting, SettingError

PORT = "7000"


def agent(arguments: t.Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="agent", description="Serve one role until SIGTERM.")
    parser.add_argument("role", metavar="ROLE", choices=sorted(ROLES), help=", ".join(sorted(ROLES)))
    name = parser.parse_args(arguments).role
    log = Log(name)
    url = f"tcp://0.0.0.0:{os.environ.get('AGENT_PORT') or PORT}"
    try:
        role = load(name)(Setting(os.environ))
    except SettingError as error:
        log("cannot start", level="error", message=str(error))
        return 2
    serve(role, url, os.environ.get("AGENT_HEALTH_SOCKET", SOCKET), log)
    return 0


def address(text: str) -> str:
    """A URL, ``self`` for the agent of this container, or the name of a variable that holds a link."""
    if text == "self":
        return f"tcp://127.0.0.1:{os.environ.get('AGENT_PORT') or PORT}"
    if "://" in text:
        return text
    if not os.environ.get(text):
        raise argparse.ArgumentTypeError(f"{text} is neither a URL nor a variable that holds one")
    return os.environ[text]


def call(arguments: t.Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="agent-call", description="One request; the result as one JSON line.")
    parser.add_argument("url", type=address, metavar="URL", help="tcp://host:port, self, or a variable's name")
    parser.add_argument("op")
    parser.add_argument("arguments", nargs="?", type=json.loads, default={}, metavar="JSON")
    parser.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS")
    parser.add_argument(
        "--token",
        metavar="VARIABLE",
        help='send as "token" the content of the file that this variable names, e.g. MEMORY_TOKEN_FILE',
    )
    options = parser.parse_args(arguments)
    if not isinstance(options.arguments, dict):
        parser.error("JSON is not an object")
    if options.token:
        try:
            options.arguments["token"] = Setting(os.environ).secret(options.token)
        except SettingError as error:
            parser.error(str(error))
    try:
        with Connection(options.url) as connection:
            result = connection.call(options.op, options.arguments, options.timeout)
    except Refused as refused:
        print(json.dumps({"error": {"code": refused.code, "message": refused.message}}, ensure_ascii=False))
        return 1
    print(json.dumps(result, ensure_ascii=False))
    return 0


def ping(arguments: t.Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="agent-ping", description="Round trips to an agent; one JSON line.")
    parser.add_argument("url", type=address, metavar="URL", help="tcp://host:port, self, or a variable's name")
    parser.add_argument("--count", type=int, default=1, metavar="N")
    parser.add_argument("--timeout", type=float, default=2.0, metavar="SECONDS", help="for each round trip")
    options = parser.parse_args(arguments)
    report = measure(options.url, max(1, options.count), options.timeout)
    print(json.dumps(report))
    return 1 if report["failures"] else 0


def measure(url: str, count: int, timeout: float) -> dict[str, t.Any]:
    """`count` round trips, in milliseconds; ends at the first that fails, which counts the rest as failed too.

    The first trip also sets up the connection; with more than one it is not part of the figures.
    """
    times: list[float] = []
    error = ""
    try:
        with Connection(url) as connection:
            if count > 1:
                connection.call("ping", {}, timeout)
            for _ in range(count):
                begin = time.perf_counter()
                connection.call("ping", {}, timeout)
                times.append((time.perf_counter() - begin) * 1000)
    except Refused as refused:
        error = refused.message
    report = {"url": url, "count": count, "p50_ms": percentile(times, 50), "p99_ms": percentile(times, 99)}
    report["failures"] = count - len(times)
    return {**report, "error": error} if error else report


def percentile(values: t.Sequence[float], share: float) -> float | None:
    """Nearest rank; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    rank = max(0, -(-len(ordered) * share // 100) - 1)
    return round(ordered[int(rank)], 3)


def run(main: t.Callable[[t.Sequence[str]], int]) -> t.NoReturn:
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Not sys.exit: worker threads that hang in a request must not keep a stopped agent alive.
    os._exit(code)

"""A registry as hosted ones are: with tokens, and with blobs that lie elsewhere. A real server with TLS answers."""

from __future__ import annotations

import http.server
import ssl
import threading

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.login import Login
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.registry_client import RegistryClient
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.serve import make_certificate

BASIC = "Basic ZmxlZXQ6c2VjcmV0"


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        asked = self.headers.get("Authorization", "")
        self.server.asked.append((self.command, self.path, asked, self.headers.get("Range", "")))
        here = f"https://127.0.0.1:{self.server.server_address[1]}"
        if self.path.startswith("/token?"):
            assert "scope=repository%3Aa%2Fb%3Apull" in self.path
            return self.say(200 if asked == BASIC else 401, b'{"token": "t0"}')
        if self.path.startswith("/storage"):
            return self.say(206 if self.headers.get("Range") else 200, b"blob")
        if self.path.startswith("/v2/broken/"):
            return self.say(200, b"{", promised=100)
        if self.path.startswith("/v2/plain/"):
            return self.say(200 if asked == BASIC else 401, b"{}")
        if asked != "Bearer t0":
            challenge = f'Bearer realm="{here}/token",service="s",scope="repository:a/b:pull"'
            return self.say(401, b"{}", **{"WWW-Authenticate": challenge})
        if "/blobs/" in self.path:
            return self.say(307, b"", Location=f"{here}/storage?key=1")
        return self.say(404 if self.path.endswith("none") else 200, b"{}")

    do_HEAD = do_GET

    def say(self, status, body, promised=0, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(promised or len(body)))
        self.close_connection = bool(promised)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *arguments):
        """Nothing."""


@pytest.fixture(scope="module")
def certificate():
    return make_certificate("127.0.0.1", 3600)


@pytest.fixture
def server(certificate, tmp_path):
    (tmp_path / "pem").write_text(certificate.key + certificate.text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.asked, server.daemon_threads = [], True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def client(server, certificate, **changed):
    login = {"address": f"127.0.0.1:{server.server_address[1]}", "username": "fleet", "password": "secret"}
    return RegistryClient(Login(**{**login, "ca": certificate.text, **changed}))


def test_a_token_is_fetched_once_and_the_password_goes_no_further(server, certificate):
    asking = client(server, certificate)
    assert asking.manifest("a/b", "1") == (b"{}", "")
    assert asking.manifest("a/b", "none") is None
    with asking.blob("a/b", "sha256:x", 2) as (start, stream):
        assert (start, stream.read()) == (2, b"blob")
    assert asking.has_blob("a/b", "sha256:x")
    tokens = [path for _method, path, _asked, _range in server.asked if path.startswith("/token")]
    storage = [(method, asked, at) for method, path, asked, at in server.asked if path.startswith("/storage")]
    assert len(tokens) == 1
    assert storage == [("GET", "", "bytes=2-"), ("HEAD", "", "")]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"password": "wrong"}, "refuses the password of fleet"),
        ({"username": ""}, "refuses a request without a name"),
        ({"ca": "no PEM"}, "no certificate in PEM"),
        ({"ca": ""}, "is not trusted"),
        ({"plain": True}, "does not answer"),
        ({"address": "127.0.0.1:1"}, "does not answer: Connection refused"),
    ],
)
def test_refusals(server, certificate, changed, words):
    with pytest.raises(EngineError, match=words) as caught:
        client(server, certificate, **changed).manifest("plain/a", "1")
    assert caught.value.mend and "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "ask", [lambda asking: asking.manifest("broken/a", "1"), lambda asking: asking.small_blob("broken/a", "sha256:x")]
)
def test_an_answer_that_breaks_off_is_told_of(server, certificate, ask):
    with pytest.raises(EngineError, match="does not answer: IncompleteRead") as caught:
        ask(client(server, certificate))
    assert caught.value.mend

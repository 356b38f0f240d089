"""Security: signed tokens, and the certificate that the system trusts."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import ssl
import time

from ..message import Refused, Request, Result, need, need_count
from ..role import Role
from ..setting import SettingError

LONGEST = 24 * 3600


class AuthenticationAgent(Role):
    """Issues and checks tokens: ``base64(claims).base64(HMAC-SHA256)``."""

    def prepare(self) -> None:
        self.key = self.setting.secret("SIGNING_KEY_FILE").encode()
        path = self.setting.path("CA_FILE", "/certs/ca.pem")
        try:
            self.certificate = ssl.PEM_cert_to_DER_cert(path.read_text(encoding="ascii").strip() + "\n")
        except (OSError, ValueError) as error:
            raise SettingError(f"CA_FILE: {path} is no readable certificate: {error}") from None

    def op_issue(self, request: Request) -> Result:
        seconds = need_count(request, "seconds", 3600, LONGEST)
        claims = {"subject": need(request, "subject", str), "expires": int(time.time()) + seconds}
        body = _encode(json.dumps(claims).encode())
        return {"token": f"{body}.{_encode(self._sign(body))}", **claims}

    def op_verify(self, request: Request) -> Result:
        body, _, signature = need(request, "token", str).partition(".")
        try:
            given = _decode(signature)
        except (ValueError, binascii.Error):
            given = b""
        if not hmac.compare_digest(given, self._sign(body)):
            raise Refused("denied", "the token was not issued here")
        claims = json.loads(_decode(body))
        if claims["expires"] < time.time():
            raise Refused("expired", "the token has expired")
        return claims

    def op_ca(self, request: Request) -> Result:
        """The fingerprint of the mounted CA certificate, for others to compare theirs with."""
        return {"sha256": hashlib.sha256(self.certificate).hexdigest()}

    def _sign(self, body: str) -> bytes:
        return hmac.new(self.key, body.encode(), hashlib.sha256).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)

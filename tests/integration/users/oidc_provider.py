"""A small OpenID provider on loopback: discovery, PKCE (S256), RS256 tokens, userinfo."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID, CLIENT_SECRET = "desk", "desk-secret"


class Provider:
    """One person is signed in at the pool; `claims` say who, `faults` what goes wrong."""

    def __init__(self) -> None:
        self.claims = {"sub": "u-1", "email": "Asha.Rao@Pool.example", "email_verified": True}
        self.id_token_changes: dict[str, object] = {}
        self.denies = False
        self.codes: dict[str, dict[str, str]] = {}
        self.access_tokens: dict[str, dict[str, object]] = {}
        self.seen: list[str] = []
        self.refusals: list[str] = []
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Bound", (Handler,), {"provider": self})
        )
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def discovery(self, _query: dict[str, str]) -> dict[str, object]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/jwks",
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def jwks(self, _query: dict[str, str]) -> dict[str, object]:
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": "1", "use": "sig", "alg": "RS256"}]}

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser is sent back to."""
        if self.denies:
            answer = {"error": "access_denied", "state": query["state"]}
        else:
            code = secrets.token_urlsafe(16)
            self.codes[code] = query
            answer = {"code": code, "state": query["state"]}
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def token(self, form: dict[str, str]) -> dict[str, object] | None:
        asked = self.codes.pop(form.get("code", ""), None)
        if why := self._refusal(asked, form):
            self.refusals.append(why)
            return None
        access = secrets.token_urlsafe(16)
        self.access_tokens[access] = dict(self.claims)
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 60, **self.claims}
        id_token = jwt.encode(
            {**claims, **self.id_token_changes}, self.key, algorithm="RS256", headers={"kid": "1"}
        )
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": 60,
            "id_token": id_token,
        }

    def _refusal(self, asked: dict[str, str] | None, form: dict[str, str]) -> str:
        if asked is None:
            return "unknown code"
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return "wrong client"
        if form.get("redirect_uri") != asked["redirect_uri"]:
            return "wrong redirect_uri"
        hashed = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()
        if (asked.get("code_challenge_method"), asked.get("code_challenge")) != ("S256", challenge):
            return "wrong PKCE verifier"
        return ""


class Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        path, query = self._asked()
        provider = self.provider
        pages = {"/.well-known/openid-configuration": provider.discovery, "/jwks": provider.jwks}
        if path in pages:
            self._answer(200, pages[path](query))
        elif path == "/authorize":
            self.send_response(302)
            self.send_header("Location", provider.authorize(query))
            self.end_headers()
        else:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            claims = provider.access_tokens.get(token)
            self._answer(200 if claims else 401, claims or {"error": "invalid_token"})

    def do_POST(self) -> None:
        self._asked()
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        answer = self.provider.token(form)
        self._answer(200 if answer else 400, answer or {"error": "invalid_grant"})

    def _asked(self) -> tuple[str, dict[str, str]]:
        url = urlsplit(self.path)
        self.provider.seen.append(url.path)
        return url.path, {name: values[0] for name, values in parse_qs(url.query).items()}

    def _answer(self, status: int, body: dict[str, object]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *args: object) -> None:
        """Quiet."""

"""The program of the pods of ``mlstack verify --tenants``: tries what it is told and prints what came of it, a JSON line each.

It runs where this package is not installed: standard library only, and nothing imports it. QUESTIONS holds the list of questions
as JSON, WORD a text to serve to whoever asks instead. A new pod's network rules take a moment: what they decide is tried until
it is as wanted, for PATIENCE seconds at most. What the API or the object store answers is final.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import http.client
import http.server
import json
import os
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

PATIENCE = 15.0
SECONDS = 3.0
NO_ANSWER = "no answer:"
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
Headers = dict[str, str]


def exchange(connection: http.client.HTTPConnection, method: str, path: str, body: str, headers: Headers) -> Any:
    """Status and the beginning of the body."""
    connection.request(method, path, body=body.encode() if body else None, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read(2000).decode(errors="replace")


def page(question: dict[str, str]) -> tuple[bool, str]:
    """A page that holds a word."""
    url = urlsplit(question["url"])
    connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=SECONDS)
    status, text = exchange(connection, "GET", url.path or "/", "", {})
    return question["word"] in text, f"{status} {text[:60]}"


def api(question: dict[str, str]) -> tuple[bool, str]:
    """A request to the cluster's API with the pod's own service account."""
    token = Path(ACCOUNT, "token").read_text(encoding="ascii")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    trust = ssl.create_default_context(cafile=f"{ACCOUNT}/ca.crt")
    connection = http.client.HTTPSConnection("kubernetes.default.svc", 443, timeout=SECONDS * 2, context=trust)
    status, _ = exchange(connection, question["method"], question["path"], question.get("body", ""), headers)
    return status < 300, str(status)


def stored(question: dict[str, str]) -> tuple[bool, str]:
    """A request to the object store with the pod's own key."""
    host, path = question["endpoint"], quote(question["path"])
    body, query = question.get("body", ""), question.get("query", "")
    headers = signed(question["method"], host, path, query, body)
    connection = http.client.HTTPConnection(host, timeout=SECONDS * 2)
    target = f"{path}?{query}" if query else path
    status, text = exchange(connection, question["method"], target, body, headers)
    return status < 300, f"{status} {text.partition('<Code>')[2].partition('<')[0]}".strip()


def signed(method: str, host: str, path: str, query: str, body: str) -> Headers:
    """Headers of a request signed with AWS Signature Version 4."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{now[:8]}/us-east-1/s3/aws4_request"
    headers = {"host": host, "x-amz-content-sha256": hashlib.sha256(body.encode()).hexdigest(), "x-amz-date": now}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    asked = "\n".join([method, path, query, lines, names, headers["x-amz-content-sha256"]])
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(asked.encode()).hexdigest()])
    key = f"AWS4{os.environ['STORE_SECRET']}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={os.environ['STORE_KEY']}/{scope}"
    return {**headers, "Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"}


KINDS = {"page": page, "api": api, "object": stored}


def asked(question: dict[str, Any]) -> dict[str, Any]:
    """What came of a question once it is as wanted, or at the end of the patience."""
    until = time.monotonic() + PATIENCE
    changing = question["kind"] == "page"  # the network's rules decide it
    while True:
        final = not changing
        try:
            reached, told = KINDS[question["kind"]](question)
        except (OSError, http.client.HTTPException) as error:
            # not an answer: a refusal is only believed of who was reached
            reached, told, final = False, f"{NO_ANSWER} {type(error).__name__}", False
        if final or (changing and reached == question["wanted"]) or time.monotonic() > until:
            return {"id": question["id"], "reached": reached, "told": told}
        time.sleep(1)


class Serve(http.server.BaseHTTPRequestHandler):
    """Answers every request with the word."""

    def do_GET(self) -> None:  # http.server finds it by this name
        """The word."""
        body = os.environ["WORD"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    if os.environ.get("WORD"):
        http.server.ThreadingHTTPServer(("", 8080), Serve).serve_forever()
    for one in json.loads(os.environ["QUESTIONS"]):
        print(json.dumps(asked(one)), flush=True)

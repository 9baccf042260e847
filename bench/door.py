"""The front door: how long a login takes, and what the gateway adds to a request, against the same application without it.

Load goes to the published port on 127.0.0.1 and to the node's own container, from one `wrk` with two connections, for seconds.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Results, Row, mlstack
from e2e.application import application
from e2e.browser import Browser
from e2e.platform import Platform

LOGINS = 20
SECONDS = 10
CONNECTIONS = 2
NODE_PORT = 30999
SERVER = """
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version, wbufsize = "HTTP/1.1", -1  # one segment an answer
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "3"); self.end_headers(); self.wfile.write(b"ok\\n")
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("", 8080), Answer).serve_forever()
"""
LATENCY = re.compile(r"^\s+(50|99)%\s+([0-9.]+)(us|ms|s)", re.MULTILINE)
UNIT = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def measure(instance: str) -> Results:
    """Logins and requests. Raises SystemExit when there is no wrk or no login."""
    results = Results("door", "python -m bench door")
    if not shutil.which("wrk"):
        raise SystemExit("wrk is not installed (Debian and Ubuntu: apt-get install wrk)")
    platform = Platform(instance)
    url, authority = platform.door()
    if not url:
        raise SystemExit("the platform has no gateway: mlstack up --profile standard")
    admin = platform.credential("admin")
    with application(platform, SERVER, NODE_PORT) as path:
        browsers, seconds = [], []
        for _ in range(LOGINS):
            browser, began = Browser(url, authority), time.perf_counter()
            page = browser.login(admin["email"], admin["password"], path)
            seconds.append(time.perf_counter() - began)
            browsers.append(browser)
            if page.status_code != 200:
                raise SystemExit(f"the login ended with {page.status_code}: {page.text[:200]}")
        p95 = statistics.quantiles(seconds, n=20)[-1]
        note = f"median {statistics.median(seconds):.2f} s of {LOGINS}"
        results.add(Row("", "login, from no cookie to the page, p95", f"{p95:.2f} s", "", "1 s", p95 <= 1, note))
        for row in _requests(instance, url, path, browsers[-1]):
            results.add(row)
    return results


def _requests(instance: str, url: str, path: str, browser: Browser) -> Iterator[Row]:
    address = _address(instance)
    cookies = "; ".join(f"{one.name}={one.value}" for one in browser.client.cookies.jar)
    token = json.loads(mlstack("users", "token", "admin", "--json", "--name", instance).out)["token"]
    here = f"https://127.0.0.1:{url.rpartition(':')[2]}{path}"
    host = url.partition("://")[2]
    direct = _wrk(f"http://{address}:{NODE_PORT}/", {})
    peer = f"the application itself {direct[0]:.2f} / {direct[1]:.2f} ms, {direct[2]:.0f} a second"
    for name, headers in {
        "with a session": {"Host": host, "Cookie": cookies},
        "with a token": {"Host": host, "Authorization": f"Bearer {token}"},
    }.items():
        found = _wrk(here, headers)
        measured = f"{found[0]:.2f} / {found[1]:.2f} ms"
        note = f"{found[2]:.0f} requests a second, {CONNECTIONS} connections, {SECONDS} s"
        yield Row("", f"a request through the gateway {name}, p50 / p99", measured, peer, note=note)


def _wrk(url: str, headers: dict[str, str]) -> tuple[float, float, float]:
    """p50 and p99 in milliseconds and requests a second. Headers go by a file: argv can be read by everybody."""
    with tempfile.TemporaryDirectory() as name:
        script = Path(name) / "headers.lua"
        script.touch(mode=0o600)
        script.write_text(
            "".join(f"wrk.headers[{json.dumps(key)}] = {json.dumps(value)}\n" for key, value in headers.items())
        )
        argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-s", str(script), url]
        text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text:
        raise SystemExit(f"{url} refused requests:\n{text}")
    found = {percent: float(value) * UNIT[unit] for percent, value, unit in LATENCY.findall(text)}
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", text)
    return found["50"], found["99"], float(rate.group(1)) if rate else 0.0


def _address(instance: str) -> str:
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    argv = ["docker", "inspect", "-f", form, f"{instance}-control-plane"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

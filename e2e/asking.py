"""What a pod gets at addresses inside of the cluster, with a forged identity."""

from __future__ import annotations

import json

import kubernetes

from e2e.platform import PYTHON_IMAGE, restricted, run_pod, wait_for

ASK = """
import json, socket, sys, time, urllib.error, urllib.parse, urllib.request
def ask(url):
    request = urllib.request.Request(url, headers={"kubeflow-userid": "root@example.org"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return [answer.status, answer.read().decode()]
    except urllib.error.HTTPError as error:
        return [error.code, error.read().decode()]
    except OSError as error:
        return [0, repr(error)]
def open_to(url):
    parts = urllib.parse.urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), 5).close()
        return True
    except OSError:
        return False
# a new pod's network takes a moment: the first address tells when it is there
while not (ask(sys.argv[1])[0] == 200 if sys.argv[1] != "-" else open_to(sys.argv[2])):
    time.sleep(1)
print(json.dumps([ask(url) for url in sys.argv[2:]]))
"""


def at(space: str) -> str:
    return f"http://application.{space}.svc.cluster.local:8080/"


def asked(
    core: kubernetes.client.CoreV1Api, space: str, first: str, *urls: str, labels: dict[str, str] | None = None
) -> list[tuple[int, str]]:
    """What a pod of the namespace gets at each address: status (0: no answer) and text, with a forged identity. first: an
    address that must answer with 200 before; ``-``: the next one must take a connection."""
    name = run_pod(core, space, restricted(PYTHON_IMAGE, ["python3", "-c", ASK, first, *urls]), labels)
    assert wait_for(core, space, name, {"Succeeded", "Failed"}) == "Succeeded"
    log = core.read_namespaced_pod_log(name, space, container="main")
    return [(status, text) for status, text in json.loads(log)]

"""The SDK is imported whole although several threads ask for it at once (a bucket and a database are made side by side)."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import threading
from mlstack.adapters.kube_sdk import load_sdk
wrong, start = [], threading.Barrier(8)
def use(number):
    start.wait()
    try:
        load_sdk()
        from kubernetes import client, config
        from kubernetes.stream import stream
        client.Configuration(), client.CoreV1Api, config.load_kube_config, stream
    except BaseException as error:
        wrong.append(repr(error))
threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(wrong)
"""


def test_threads_never_see_half_of_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"

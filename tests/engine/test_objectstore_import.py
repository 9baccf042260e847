"""The object store's SDK is imported whole even when several threads are the first to need it."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys, threading
sys.setswitchinterval(1e-5)
from mlstack.adapters.objectstore import MinioStore
failed = []
def use(method, *args):
    try:
        method(*args)
    except Exception as error:  # nothing listens there: only that one kind of failure is right
        if getattr(error, "code", "") != "objectstore.failed":
            failed.append(repr(error))
store = MinioStore("127.0.0.1:9", "access", "secret")
works = [(store.remove_user, "x"), (store.ensure_user, "x", "y" * 20, "b-1"), (store.remove_user, "z")]
threads = [threading.Thread(target=use, args=work) for work in works * 3]
[one.start() for one in threads]
[one.join() for one in threads]
print(failed)
"""


def test_threads_that_come_first_together() -> None:
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=120)
        assert done.stdout.strip() == "[]", done.stdout

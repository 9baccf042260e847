"""Starts the model server: ``python -m mlstack_serve --model_name iris --format sklearn``; KServe writes these arguments."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mlstack_serve.errors import BadModel
from mlstack_serve.listen import listen
from mlstack_serve.models import FORMATS, load
from mlstack_serve.rest import make_app
from mlstack_serve.rpc import make_server


def main() -> None:
    """Serves until it is told to end; ends at once, with the reason, where there is no model."""
    parser = argparse.ArgumentParser(prog="mlstack_serve", description="Serves one model.")
    # argparse takes the last one given: what a user adds to a runtime's arguments wins
    parser.add_argument("--model_name", default="model", help="name under which it is asked for")
    parser.add_argument("--model_dir", type=Path, default=Path("/mnt/models"), help="directory that holds its file")
    parser.add_argument("--format", choices=list(FORMATS), default="sklearn", help="what kind of model it is")
    parser.add_argument("--http_port", type=int, default=8080)
    parser.add_argument("--grpc_port", type=int, default=8081)
    given = parser.parse_args()
    try:
        model = load(given.model_name, given.format, given.model_dir)
    except BadModel as error:
        sys.exit(f"cannot serve: {error}")
    server, _ = make_server(model, f"[::]:{given.grpc_port}")
    server.start()
    print(f"serving {model.platform} model {model.name} on ports {given.http_port} and {given.grpc_port}", flush=True)
    try:
        listen(make_app(model), given.http_port)
    finally:
        server.stop(grace=10).wait()


if __name__ == "__main__":
    main()

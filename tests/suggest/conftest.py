"""Puts Katib's message types where the image has them; their package itself wants the whole client."""

import sys
from importlib.metadata import distribution
from pathlib import Path

sys.path.append(str(Path(str(distribution("kubeflow-katib").locate_file("kubeflow/katib")))))

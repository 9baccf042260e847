"""The stack fits the program: what the image holds suffices, the account has no more rights than the pages need."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from portalworld import GOLDEN, ROOT, offer_of_all, offer_text

from mlstack.adapters.catalog import DataCatalogue
from mlstack.adapters.packages import package_files
from mlstack_portal import cluster
from mlstack_portal.cluster import Kind
from mlstack_portal.offer import parse

STACK = ROOT / "stacks" / "portal" / "1.0.0"
OBJECTS = list(yaml.safe_load_all(GOLDEN.read_text()))
KINDS = [value for value in vars(cluster).values() if isinstance(value, Kind)] + list(cluster.WORKLOADS)


def build():
    (image,) = DataCatalogue(ROOT).entry("portal", "1.0.0").document.spec.images
    return image.build


def test_the_image_holds_all_that_the_program_imports(tmp_path: Path) -> None:
    """Only the copied packages and the locked ones are there; that is all the interpreter in the image finds, too."""
    for name, path in package_files(build().packages.names).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, tmp_path / name)
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
sys.modules |= {{"rich": None, "pygments": None}}  # what some package would use if it were there
import mlstack_portal.__main__
from mlstack_portal.portal import environment
assert mlstack_portal.__file__.startswith({str(tmp_path)!r})
environment().get_template("home.html")
files = {{name: getattr(module, "__file__", "") or "" for name, module in sys.modules.items()}}
print(*{{name.partition(".")[0] for name, file in files.items() if "site-packages" in file}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    lock = (ROOT / "stacks" / "locks" / "python" / f"{build().python.lock}.txt").read_text()
    locked = {name.replace("-", "_") for name in re.findall(r"^([a-z0-9-]+)==", lock, re.M)} | {"yaml"}
    assert {name for name in done.stdout.split() if not name.startswith("_")} - locked == set()


def test_the_lock_has_the_versions_that_are_tested_here() -> None:
    constraints = (ROOT / "constraints.txt").read_text().lower().replace("_", "-")
    for pin in re.findall(r"^([a-z0-9-]+==[\w.]+)", (ROOT / "stacks/locks/python/portal.txt").read_text(), re.M):
        assert f"\n{pin}\n" in f"\n{constraints}\n"


def test_the_offer_that_the_template_makes_is_read() -> None:
    config = next(obj for obj in OBJECTS if obj["kind"] == "ConfigMap")
    offer = parse(config["data"]["offer.json"])
    assert (offer.instance, offer.namespace, offer.admin_group) == ("golden", "ml", "admins")
    assert {"hello", "train-iris"} <= set(offer.samples)
    assert [address.name for address in parse(offer_text()).addresses] == [
        "minio-console",
        "s3",
        "metrics",
        "argo-metrics",
    ]


def test_samples_of_pipelines_are_offered_where_something_runs_them() -> None:
    everything = json.loads(offer_of_all())
    assert {"hello", "katib-random", "katib-tpe", "katib-trainjob", "train-distributed", "kfp-iris"} <= set(
        parse(json.dumps(everything)).samples
    )
    without = set(parse(json.dumps({**everything, "pipelines": None})).samples)
    assert "katib-random" in without and not {"kfp-iris", "kfp-parallel"} & without


def rules() -> dict[str, set[str]]:
    role = next(obj for obj in OBJECTS if obj["kind"] == "ClusterRole")
    return {resource: set(rule["verbs"]) for rule in role["rules"] for resource in rule["resources"]}


def test_the_account_may_what_the_pages_need_and_no_more() -> None:
    needed = {kind.plural for kind in KINDS} | {"pods/log"}
    assert set(rules()) == needed
    assert all("*" not in verbs | {resource} for resource, verbs in rules().items())
    writing = {"create", "update", "patch", "delete", "deletecollection", "impersonate", "bind", "escalate"}
    assert {resource: verbs & writing for resource, verbs in rules().items() if verbs & writing} == {
        "workflows": {"create"},
        "subjectaccessreviews": {"create"},
    }


@pytest.mark.parametrize("forbidden", ["secrets", "configmaps", "serviceaccounts", "roles", "pods/exec"])
def test_the_account_has_no_right_to(forbidden: str) -> None:
    assert forbidden not in rules()


def test_only_the_gateway_reaches_it() -> None:
    (policy,) = [obj for obj in OBJECTS if obj["kind"] == "NetworkPolicy"]
    assert policy["spec"]["podSelector"] == {}
    (rule,) = policy["spec"]["ingress"]
    expressions = [{"key": "provides.mlstack.dev/gateway", "operator": "Exists"}]
    assert rule["from"] == [{"namespaceSelector": {"matchExpressions": expressions}}]


def test_the_readme_names_every_page() -> None:
    from mlstack_portal.portal import PAGES

    text = (STACK / "README.md").read_text()
    assert all(f"| {name} |" in text for _, name in PAGES)

"""Objects and plans that the tests of whole runs begin with."""

from __future__ import annotations

from dataclasses import replace

from world import stack

from mlstack.core.actions import Apply, Wait


def ns(name):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def config(name, namespace, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def deployment(name, namespace, image="img:1", **pod):
    spec = {"containers": [{"name": "main", "image": image}], **pod}
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    body = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": body,
    }


def crd(kind, group):
    plural = kind.lower() + "s"
    names = {"kind": kind, "plural": plural}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [{"name": "v1", "served": True}]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": spec,
    }


def thing(name, namespace):
    return {
        "apiVersion": "g.example/v1",
        "kind": "Thing",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"a": 1},
    }


def platform(value="1"):
    return (
        stack("base", ns("base"), crd("Thing", "g.example"), deployment("server", "base")),
        stack(
            "app",
            ns("app"),
            thing("t", "app"),
            config("c", "app", a=value),
            deployment("web", "app"),
            requires=("base",),
        ),
    )


def applied(plan):
    return sorted(str(action.object["metadata"]["name"]) for action in plan.actions if isinstance(action, Apply))


def slow_waits(seconds):
    def change(plan):
        return replace(
            plan, actions=tuple(replace(one, timeout=seconds) if isinstance(one, Wait) else one for one in plan.actions)
        )

    return change

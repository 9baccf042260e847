"""What to do about errors whose remedy depends on the case: the general advice of the reference. Code -> text."""

from __future__ import annotations

REMEDIES: dict[str, str] = {
    "cluster.kubeconfig": "read the log that the error names; 'mlstack doctor' checks the cluster",
    "config.invalid": "correct the listed places; nothing was changed",
    "config.sample": "correct the listed parameters; 'mlstack run --list' shows them",
    "config.stacks": "correct the listed places; 'mlstack stack list' shows what there is",
    "config.unknown-node": "use one of the names that the error lists",
    "config.unknown-profile": "use one of the profiles that the error lists",
    "config.unknown-release": "use one of the releases that the error lists, or leave the field out for the newest",
    "config.unknown-sample": "'mlstack run --list' shows the samples",
    "config.unknown-stack": "'mlstack stack list' and 'mlstack addon list' show the names",
    "config.unknown-version": "'mlstack stack show NAME' shows the versions",
    "document.invalid": "correct the listed places; nothing was changed",
    "document.invalid-value": "correct the value; the reference of the configuration lists what is allowed",
    "engine.failed": "read the reason; 'mlstack doctor --fix' checks and restarts the container engine",
    "engine.timeout": "the machine may be overloaded: wait a little and run the command again",
    "image.no-source": "'mlstack doctor' says which sources (registry, bundle, build) work on this machine",
    "kube.conflict": "run the command again; if it comes back, another program changes the same object",
    "playbook.unknown": "install mlstack again: its playbooks are incomplete",
    "preflight.failed": "do what each listed problem says; nothing was changed",
    "registry.failed": "run the command again later, or use another source (artifacts.source: bundle or build)",
    "registry.forbidden": "check the login in artifacts.credentials, or use another source (artifacts.source)",
    "registry.not-found": "check the image's name and version, or use another source (artifacts.source)",
    "registry.throttled": "wait, log in (artifacts.credentials), name a mirror (artifacts.mirrors), or use another source",
    "registry.unauthorized": "name a login in artifacts.credentials, or use another source (artifacts.source)",
    "yaml.syntax": "check the indentation, quotes and brackets on this line and the one above",
}

"""The one table of what carries out which action. A new action type is a class in ``core.actions`` and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlstack.core.actions import (
    Action,
    Apply,
    CreateCluster,
    Delete,
    DeleteCluster,
    EnsureBucket,
    EnsureDatabase,
    GenerateSecret,
    IssueCertificate,
    LoadImage,
    ObtainImage,
    ObtainTool,
    Prune,
    RecordInventory,
    RenewAuthority,
    RunPlaybook,
    StartCluster,
    StopCluster,
)
from mlstack.core.serviceactions import EndSessions, EnsureUser, PurgeBucket, RemoveUser, RevokeBucket
from mlstack.engine import (
    handle_certificates,
    handle_cluster,
    handle_objects,
    handle_secrets,
    handle_services,
    handle_users,
)
from mlstack.engine.context import Context
from mlstack.engine.done import Done

Handler = Callable[[Context, Any], Done]

HANDLERS: Mapping[type[Action], Handler] = {
    RunPlaybook: handle_cluster.run_playbook,
    ObtainImage: handle_cluster.obtain_image,
    ObtainTool: handle_cluster.obtain_tool,
    CreateCluster: handle_cluster.create_cluster,
    StartCluster: handle_cluster.start_cluster,
    StopCluster: handle_cluster.stop_cluster,
    DeleteCluster: handle_cluster.delete_cluster,
    LoadImage: handle_cluster.load_image,
    Apply: handle_objects.apply,
    Prune: handle_objects.prune,
    Delete: handle_objects.delete,
    RecordInventory: handle_objects.record_inventory,
    GenerateSecret: handle_secrets.generate_secret,
    RenewAuthority: handle_certificates.renew_authority,
    IssueCertificate: handle_certificates.issue_certificate,
    EnsureBucket: handle_services.ensure_bucket,
    EnsureDatabase: handle_services.ensure_database,
    RevokeBucket: handle_services.revoke_bucket,
    PurgeBucket: handle_services.purge_bucket,
    EnsureUser: handle_users.ensure_user,
    RemoveUser: handle_users.remove_user,
    EndSessions: handle_users.end_sessions,
}
"""Every action type but Wait, which no thread carries out: the wait board does."""

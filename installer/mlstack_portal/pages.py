"""The pages. Each asks the cluster for what it shows and hands it to a template; what changes something is a POST."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mlstack.core.model import Object
from mlstack_portal.cluster import WORKFLOW
from mlstack_portal.detail import Detail, RunReader
from mlstack_portal.forms import fields, given_of, workload
from mlstack_portal.health import summary
from mlstack_portal.offer import SampleOffer
from mlstack_portal.portal import Portal, portal_in, user_in
from mlstack_portal.profiles import Reach
from mlstack_portal.runs import newest
from mlstack_portal.snippets import snippets
from mlstack_portal.starts import Refused
from mlstack_portal.starts import start as start_run
from mlstack_portal.subjects import Subject, kind_named, subject_of
from mlstack_portal.who import from_our_page

FORM_BYTES = 65536
"""How large a sent form may be."""


async def home(request: Request) -> Response:
    """The components with their health and links."""
    portal = portal_in(request)
    found = await portal.health.read(portal.offer())
    addresses = portal.offer().open_to(user_in(request).groups)
    return portal.page(request, "home.html", found=found, said=summary(found), addresses=addresses)


async def samples(request: Request) -> Response:
    """The samples there are."""
    portal = portal_in(request)
    return portal.page(request, "samples.html")


async def sample(request: Request) -> Response:
    """The form of one sample."""
    portal = portal_in(request)
    offer = _sample(portal, request)
    reach = await portal.reach(user_in(request))
    return _form(portal, request, offer, reach, {}, {})


async def start(request: Request) -> Response:
    """Starts a sample and goes to its run. Every problem of the form is said at once."""
    portal, user = portal_in(request), user_in(request)
    offer = _sample(portal, request)
    sent = await _sent(request)
    if not from_our_page(request.headers) or not portal.forms.good(user, sent.get("token", "")):
        raise HTTPException(403, "The form was not sent from a page of this portal, or it stayed open for too long.")
    reach = await portal.reach(user)
    places, given = reach.places(), given_of(sent)
    namespace = sent.get("namespace", "")
    if namespace not in places:
        problems = {"": "Choose a profile in which you may run something."}
        return _form(portal, request, offer, reach, given, problems)
    obj, problems = workload(offer, given, user, namespace)
    if obj is None:
        return _form(portal, request, offer, reach, given, problems)
    try:
        path = await start_run(portal.cluster, portal.pipelines, portal.offer(), offer, obj, user)
    except Refused as error:
        return _form(portal, request, offer, reach, given, {"": error.message})
    return RedirectResponse(path, 303)


def _form(
    portal: Portal, request: Request, offer: SampleOffer, reach: Reach, given: dict[str, str], problems: dict[str, str]
) -> Response:
    return portal.page(
        request,
        "sample.html",
        400 if problems else 200,
        one=offer,
        fields=fields(offer.sample, given, problems),
        problems=problems,
        places=reach.places(),
        reach=reach,
        token=portal.forms.token(user_in(request)),
    )


async def runs(request: Request) -> Response:
    """The newest runs the user may see."""
    portal = portal_in(request)
    asked = request.query_params.get("page", "1")
    page = max(1, int(asked)) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 1
    reach = await portal.reach(user_in(request))
    found, more = await newest(portal.cluster, portal.offer(), reach, page)
    return portal.page(request, "runs.html", found=found, more=more, page=page, reach=reach)


async def run(request: Request) -> Response:
    """One run with its steps, log lines and results."""
    portal = portal_in(request)
    return portal.page(request, "run.html", detail=await one_run(portal, request))


async def one_run(portal: Portal, request: Request) -> Detail:
    """The run a path names. 404 as ``found_run`` says."""
    subject, obj = await found_run(portal, request)
    return await RunReader(portal.cluster, portal.pipelines, subject, obj).read(obj, portal.offer())


async def found_run(portal: Portal, request: Request) -> tuple[Subject, Object]:
    """What a path names. 404 also for one that the user may not see: that it exists is nobody else's business."""
    namespace, name = request.path_params["namespace"], request.path_params["name"]
    offer, plural = portal.offer(), request.path_params.get("kind", WORKFLOW.plural)
    kind, reach = kind_named(offer, plural), await portal.reach(user_in(request))
    obj = await portal.cluster.get(kind, namespace, name) if kind and reach.sees(namespace) else None
    if kind is None or obj is None:
        raise HTTPException(404, f"There is no run {namespace}/{name} that you may see.")
    return subject_of(offer, kind, obj), obj


async def access(request: Request) -> Response:
    """How programs use each endpoint."""
    portal = portal_in(request)
    found = [(address, snippets(address)) for address in portal.offer().open_to(user_in(request).groups)]
    return portal.page(request, "access.html", found=found)


async def profile(request: Request) -> Response:
    """Who the user is here."""
    portal = portal_in(request)
    return portal.page(request, "profile.html", reach=await portal.reach(user_in(request)))


def _sample(portal: Portal, request: Request) -> SampleOffer:
    found = portal.offer().samples.get(request.path_params["sample"])
    if found is None:
        raise HTTPException(404, "There is no such sample; the list of samples shows those there are.")
    return found


async def _sent(request: Request) -> dict[str, str]:
    """The fields of a form in the encoding that forms have by default."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > FORM_BYTES:
            raise HTTPException(413, "The form is too large.")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=200, errors="strict")
    except (UnicodeDecodeError, ValueError):
        raise HTTPException(400, "The form cannot be read.") from None
    return dict(pairs)

"""What clients are told: it runs as it is printed, and what is secret is on no command line."""

import ast
import json
import subprocess

import pytest

from mlstack.core.clients import SCHEMES, Target
from mlstack.core.configkeys import from_environment
from mlstack.core.connect import FORMS, TRUST_VARIABLES, environment
from mlstack.core.errors import ExitCode, MlstackError

SECRET = """q"uo\\te'd $(x) `y` z"""
TOKEN = "eyJ.token.value"
VALUES = {"accesskey": "key", "secretkey": SECRET, "username": "user", "password": SECRET}


def target(scheme="http", url="http://127.0.0.1:9000/", values=VALUES, **more):
    return Target(name="it", scheme=scheme, url=url, values=values, **more)


SECURE = {"url": "https://s3.lab.localhost:8443/a/", "authority": "/state dir/ca.crt", "bundle": "/state dir/all.crt"}


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
@pytest.mark.parametrize("more", [{}, SECURE, {**SECURE, "token": TOKEN}])
def test_variables_survive_a_shell_and_programs_parse(scheme, more):
    one = target(scheme, **more)
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    ran = subprocess.run(
        ["sh", "-c", FORMS["env"](one) + f"\nexec python3 -c '{program}'"],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
    )
    seen = json.loads(ran.stdout)
    assert environment(one).items() <= seen.items()
    ast.parse(FORMS["python"](one))


@pytest.mark.parametrize("scheme", sorted(set(SCHEMES) - {"mysql", "tcp"}))
def test_curl_gets_secrets_by_its_standard_input_only(scheme):
    text = FORMS["curl"](target(scheme, token=TOKEN, **SECURE))
    command, _, rest = text.partition("\n")
    assert SECRET not in command
    assert TOKEN not in command
    assert "--cacert '/state dir/ca.crt'" in command
    assert "--resolve s3.lab.localhost:8443:127.0.0.1" in command
    if scheme == "s3":
        assert 'user = "key:q\\"uo\\\\te\'d' in rest
    else:
        assert f'header = "Authorization: Bearer {TOKEN}"' in rest
    assert "END" not in FORMS["curl"](target(values={}) if scheme != "s3" else target("http", values={}))


def test_a_real_name_needs_no_help_and_plain_http_no_authority():
    text = FORMS["curl"](target(url="http://ml.example.org/x", values={}))
    assert text == "curl --no-progress-meter http://ml.example.org/x"
    assert "getaddrinfo" not in FORMS["python"](target(url="https://ml.example.org/"))
    assert not set(TRUST_VARIABLES) & set(environment(target()))
    assert environment(target(**SECURE))["SSL_CERT_FILE"] == "/state dir/all.crt"


def test_what_a_client_needs_and_is_not_there_is_said():
    with pytest.raises(MlstackError) as caught:
        FORMS["env"](target("s3", values={"username": "x"}))
    assert caught.value.code == "connect.credential"
    with pytest.raises(MlstackError) as caught:
        FORMS["curl"](target("mysql"))
    assert (caught.value.code, caught.value.exit_code) == ("connect.no-curl", ExitCode.USAGE)


def test_a_target_shows_no_secret():
    shown = repr(target(token=TOKEN))
    assert SECRET not in shown
    assert TOKEN not in shown


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_what_is_set_for_clients_does_not_disturb_later_commands(scheme):
    found, problems = from_environment(environment(target(scheme, token=TOKEN, **SECURE)))
    assert (found, problems) == ([], [])

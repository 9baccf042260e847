"""Where things are on this host: cache, state, the shipped data, the configuration file. Makes no directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlstack.core.configlayers import Given
from mlstack.core.errors import ExitCode, MlstackError, Place
from mlstack.core.model import Paths

CONFIG_NAME = "mlstack.yaml"
DATA_MARK = Path("stacks", "releases")
"""What a data root holds."""


def find_paths(environ: Mapping[str, str], cache: str = "", state: str = "") -> Paths:
    """The paths in force: ``cache`` and ``state`` of the configuration, else the platform's own places for the user.

    Raises ``paths.no-data`` when the shipped stacks cannot be found.
    """
    import platformdirs

    own_cache = cache or environ.get("MLSTACK_CACHE_DIR", "")
    own_state = state or environ.get("MLSTACK_STATE_DIR", "")
    return Paths(
        cache=Path(own_cache or platformdirs.user_cache_path("mlstack")).absolute(),
        state=Path(own_state or platformdirs.user_state_path("mlstack")).absolute(),
        data=find_data(environ),
    )


def find_data(environ: Mapping[str, str]) -> Path:
    """The root of the shipped data: ``MLSTACK_DATA_DIR``, the installed package's, or that of the source checkout."""
    package = Path(__file__).resolve().parent.parent
    named = environ.get("MLSTACK_DATA_DIR", "")
    candidates = [Path(named).absolute()] if named else [package / "_data", *package.parents[1:2]]
    for candidate in candidates:
        if (candidate / DATA_MARK).is_dir():
            return candidate
    tried = ", ".join(str(candidate) for candidate in candidates)
    remedy = "correct MLSTACK_DATA_DIR" if named else "install mlstack again, or run it from its source checkout"
    raise MlstackError("paths.no-data", "the shipped stacks cannot be found", why=f"looked in {tried}", remedy=remedy)


def read_config(file: Path | None, environ: Mapping[str, str], cwd: Path) -> tuple[str | None, Path | None]:
    """Text and path of the configuration file: ``file``, ``MLSTACK_CONFIG``, or ``mlstack.yaml`` in the working directory.

    (None, None) when none is named and none is there. Raises ``config.not-found`` and ``config.unreadable``.
    """
    named = file or (Path(environ["MLSTACK_CONFIG"]) if environ.get("MLSTACK_CONFIG") else None)
    path = cwd / (named or CONFIG_NAME)
    if named is None and not path.exists():
        return None, None
    try:
        return path.read_text(encoding="utf-8"), path
    except FileNotFoundError:
        remedy = f"name a file that exists, or leave out --file to use {CONFIG_NAME} or the defaults"
        raise _error("config.not-found", "there is no such file", path, remedy) from None
    except UnicodeDecodeError:
        raise _error("config.unreadable", "the file is not UTF-8 text", path, "save it as UTF-8") from None
    except OSError as error:
        remedy = "check that it is a file and its permissions"
        raise _error("config.unreadable", f"cannot be read: {error.strerror}", path, remedy) from None


def given_of(
    file: Path | None,
    environ: Mapping[str, str],
    *,
    sets: tuple[str, ...] = (),
    flags: Mapping[str, object] | None = None,
    cwd: Path | None = None,
) -> Given:
    """What the user gave, read from the host, for ``configlayers.resolve``; releases are left for the caller to add."""
    here = cwd or Path.cwd()
    text, path = read_config(file, environ, here)
    return Given(
        text=text,
        file=_short(path, here) if path else "",
        directory=str(path.absolute().parent) if path else str(here),
        cwd=str(here),
        home=environ.get("HOME", ""),
        environ=environ,
        sets=sets,
        flags=flags or {},
    )


def _short(path: Path, cwd: Path) -> str:
    """The path as the user would type it."""
    absolute = path.absolute()
    return str(absolute.relative_to(cwd)) if absolute.is_relative_to(cwd) else str(absolute)


def _error(code: str, what: str, path: Path, remedy: str) -> MlstackError:
    return MlstackError(code, what, remedy=remedy, place=Place(str(path)), exit_code=ExitCode.USAGE)

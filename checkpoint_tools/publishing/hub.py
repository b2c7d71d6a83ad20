"""The Hugging Face hub: creates a repository, uploads files in one commit, and explains errors.

The only file that imports huggingface_hub. The token comes from ``HF_TOKEN`` or from the hub's own login; it is passed to
huggingface_hub alone and removed from every text that is printed.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from megatron_ko.errors import ConfigError, Problem, UserError, first_line

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_STALE = re.compile(r"model(?:-\d+-of-\d+)?\.safetensors(?:\.index\.json)?|pytorch_model.*\.bin")
"""Weights that a loader would read in place of the uploaded ones."""


class HubError(UserError):
    """The hub cannot be reached or refuses a request."""

    label = "hub error"


def check_repository(name: str) -> None:
    """Raises ConfigError unless ``name`` is ``OWNER/NAME``."""
    if not _REPOSITORY.fullmatch(name) or len(name) > 96 or "--" in name or ".." in name:
        message = f"{name!r} is not the name of a repository; write OWNER/NAME, such as my-group/my-model"
        raise ConfigError([Problem("", "REPO", message, "not-a-repository")])


def read_token() -> str:
    """Token of ``HF_TOKEN``, or of the hub's own login. Raises HubError if there is none."""
    from huggingface_hub import get_token

    token = get_token()
    if not token:
        raise HubError(
            "no token for the hub; run 'hf auth login', or set HF_TOKEN to a token that may write",
            rule="missing-token",
        )
    return token


def upload(folder: Path, names: Sequence[str], repository: str, public: bool, token: str) -> str:
    """Uploads the files ``names`` of ``folder`` in one commit; returns its address.

    Creates the repository if there is none. Weights of an earlier upload under other names are deleted in the same
    commit. Raises HubError.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants
    from huggingface_hub.utils import disable_progress_bars

    for library in ("httpx", "httpx2"):  # they log every request
        logging.getLogger(library).setLevel(logging.WARNING)
    if not sys.stderr.isatty():
        disable_progress_bars()
    api = HfApi(endpoint=constants.ENDPOINT, token=token, library_name="megatron_ko")
    with _explained(repository, api.endpoint, token):
        api.create_repo(repository, private=not public, exist_ok=True)
        info = api.model_info(repository)
        _check_visibility(repository, is_private=bool(info.private), public=public)
        there = {sibling.rfilename for sibling in info.siblings or ()}
        operations: list[Any] = [CommitOperationAdd(name, str(folder / name)) for name in names]
        stale = sorted(name for name in there - set(names) if _STALE.fullmatch(name))
        operations += [CommitOperationDelete(name) for name in stale]
        commit = api.create_commit(repository, operations, commit_message="Upload a model with megatron_ko")
    return str(commit.commit_url)


def _check_visibility(repository: str, is_private: bool, public: bool) -> None:
    """A repository that exists keeps its visibility, so it must be the one that was asked for."""
    if public == is_private:
        wanted, there = ("public", "private") if public else ("private", "public")
        remedy = "leave out --public" if public else "give --public"
        raise HubError(
            f"{repository}: exists and is {there}, but a {wanted} one was asked for; {remedy}, or change it in the settings of the "
            "repository. Nothing was uploaded",
            rule=f"repository-is-{there}",
        )


@contextlib.contextmanager
def _explained(repository: str, endpoint: str, token: str) -> Iterator[None]:
    """Turns errors of huggingface_hub into HubError, without the token and without a traceback that could show it."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    try:
        yield
    except HfHubHTTPError as error:
        raise _refusal(repository, endpoint, error, token) from None
    except OfflineModeIsEnabled:
        raise HubError(
            "HF_HUB_OFFLINE is set, so the hub may not be used; unset it", rule="offline-mode"
        ) from None
    except ValueError as error:  # an answer that is not the hub's, or front matter that the hub refuses
        text = _without(token, " ".join(str(error).split())[:300])
        message = f"{repository}: the hub refused it ({text}); correct it and push again"
        raise HubError(message, rule="refused-by-hub") from None
    except (HTTPError, ConnectionError, TimeoutError) as error:
        raise _unreachable(endpoint, error, token) from None
    except RuntimeError as error:  # hf_xet, which transfers large files
        message = f"{repository}: the upload failed ({_without(token, first_line(error))}); push again"
        raise HubError(message, rule="upload-failed") from None
    except OSError as error:  # those of requests, in older versions of huggingface_hub, have no errno
        if error.errno is not None:
            raise
        raise _unreachable(endpoint, error, token) from None


def _unreachable(endpoint: str, error: Exception, token: str) -> HubError:
    cause = _without(token, first_line(error))
    return HubError(
        f"{endpoint}: cannot be reached ({cause}); check the network, the proxy and HF_ENDPOINT, and push again: finished files are "
        "not sent twice",
        rule="no-network",
    )


def _refusal(repository: str, endpoint: str, error: Any, token: str) -> HubError:
    status = error.response.status_code
    if status == 401:
        return HubError(
            f"{repository}: {endpoint} does not accept the token (401); run 'hf auth login' again, or set HF_TOKEN to a valid token",
            rule="unauthorized",
        )
    if status == 403:
        return HubError(
            f"{repository}: the token may not write there (403); use one with write permission, from a member of "
            f"{repository.partition('/')[0]}",
            rule="forbidden",
        )
    if status == 404:
        return HubError(
            f"{repository}: the hub has no such owner or repository, or hides it from this token (404); check the name",
            rule="repository-not-found",
        )
    said = getattr(error, "server_message", None) or first_line(error)
    text = _without(token, " ".join(str(said).split())[:300])
    if status == 429 or status >= 500:
        return HubError(
            f"{endpoint}: cannot answer now ({status}: {text}); push again later", rule="hub-unavailable"
        )
    return HubError(f"{repository}: the hub refused it ({status}: {text})", rule="refused-by-hub")


def _without(token: str, text: str) -> str:
    return text.replace(token, "(token)")

# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module install_medium does: find the newest file in a vendor's list, and have exactly that in the cache."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

from .._core.errors import InvalidInput, NotFound, Refused, Unavailable
from .._core.options import Option
from .._ports import download, files
from .._ports.clock import Clock
from . import checksums, signatures

_SIGNATURE = {
    "tool": Option(choices=("gpg", "signify"), required=True),
    "key": Option(required=True, secret=False),
    "key_url": Option(secret=False),
    "file": Option(),
    "signs": Option(choices=("checksums", "file"), default="checksums"),
}
_MEDIUM = {
    "type": Option(),
    "bases": Option("list", elements="str"),
    "file": Option(),
    "initrd": Option(),
    "checksums": Option(),
    "signature": Option("dict", options=_SIGNATURE),
    "manual": Option(),
}
OPTIONS = {
    "medium": Option("dict", options=_MEDIUM, required=True),
    "directory": Option("path", required=True),
    "require_signature": Option("bool", default=False),
    "key_file": Option("path", secret=False),
    "timeout": Option("int", default=60),
}
#: How often a connection may break off without a single byte received, and seconds between two attempts.
_ATTEMPTS, _PAUSE = 3, 2
_WAIT, _WAITS = 1, 3600
#: Characters that servers expect as they are.
_SAFE = "/+~:,"


@dataclass
class _Found:
    """A file in a vendor's list."""

    base: str
    checksum: checksums.Checksum
    verdict: signatures.Verdict


def answer(params, check):
    """What the module install_medium returns."""
    medium = {name: value for name, value in params["medium"].items() if value is not None}
    _check_form(medium, params)
    names = [medium[name] for name in ("file", "initrd") if name in medium]
    verifier = signatures.Verifier(medium.get("signature"), params["key_file"], params["timeout"])
    if params["require_signature"] and verifier.missing:
        raise Refused(
            f"{medium['file']}: its signature cannot be checked. {verifier.missing.note}", "Nothing was changed."
        )
    wanted = [_find(medium, name, verifier, params["timeout"]) for name in names]
    changes = _changed(wanted, medium, verifier, params, check)
    return _result(wanted, changes, params["directory"])


def _check_form(medium, params):
    if "manual" in medium:
        raise InvalidInput(
            f"medium: this one is not published for download. Get it from {medium['manual']}, and use its path.",
        )
    missing = [name for name in ("bases", "file", "checksums") if not medium.get(name)]
    if missing:
        raise InvalidInput(
            f"medium: {', '.join(missing)} required. The lookup polyvirt.core.distribution returns media."
        )
    if medium.get("signature", {}).get("signs") == "file" and not medium["signature"].get("file"):
        raise InvalidInput("medium.signature: file is required if signs is file.")
    if not os.path.isabs(params["directory"]):
        raise InvalidInput(f"directory: {params['directory']} is not an absolute path.")


def _find(medium, pattern, verifier, timeout):
    """The first address with a list that has the file; raises what the addresses answered if none has."""
    problems = []
    for base in (base.rstrip("/") for base in medium["bases"]):
        try:
            text, verdict = _list(medium, base, verifier, timeout)
        except (NotFound, Unavailable) as error:
            problems.append(error.message)
            continue
        found = checksums.find(text, pattern)
        if found:
            return _Found(base, found, verdict)
        problems.append(f"{download.shown(base)}/{medium['checksums']}: has no {pattern}.")
    raise NotFound(f"{pattern} was not found. {' '.join(problems)}", "Check the addresses and the network of the host.")


def _list(medium, base, verifier, timeout):
    """(list of checksums, Verdict). A list without a checked signature is used as it is."""
    signs_list = medium.get("signature", {}).get("signs", "checksums") == "checksums"
    if verifier.missing is None and signs_list:
        return verifier.verified_list(base, medium["checksums"]), signatures.Verdict(signatures.VERIFIED)
    text = download.fetch(f"{base}/{medium['checksums']}", timeout).decode("utf-8", "replace")
    # The signature of the file itself is checked when it is downloaded.
    return text, verifier.missing or signatures.Verdict(signatures.VERIFIED)


def _changed(wanted, medium, verifier, params, check):
    """The files that are missing in the cache or have another content; not in check mode, they are replaced."""
    directory = params["directory"]
    missing = [found for found in wanted if not _is_cached(found, directory)]
    if not check:
        for found in (one for one in wanted if one not in missing):
            _check_signature(found, _path(found, directory), medium, verifier)
    if not missing or check:
        return missing
    files.make_folder(directory)
    with _locked(directory):
        # Another task may have had the lock, and the same file.
        missing = [found for found in missing if not _is_cached(found, directory)]
        for found in missing:
            _download(found, medium, verifier, params)
    return missing


def _is_cached(found, directory):
    path = _path(found, directory)
    return files.is_file(path) and download.digest(path, found.checksum.kind) == found.checksum.digits


def _path(found, directory):
    return os.path.join(directory, os.path.basename(found.checksum.file))


@contextmanager
def _locked(directory):
    for _again in range(_WAITS):
        with files.held(directory) as free:
            if free:
                yield
                return
        Clock().sleep(_WAIT)
    raise Refused(f"Another task is downloading to {directory}.", "Run the task again when it has ended.")


def _download(found, medium, verifier, params):
    path = _path(found, params["directory"])
    part = _part(path, found)
    _fetch_from_any(found, medium["bases"], part, params["timeout"])
    digits = download.digest(part, found.checksum.kind)
    if digits != found.checksum.digits:
        files.remove(part)
        raise Refused(
            f"{found.base}/{found.checksum.file}: its {found.checksum.kind} is {digits}, but the vendor's list has "
            f"{found.checksum.digits}.",
            "The file was not kept. Run the task again, or use another mirror.",
        )
    _check_signature(found, part, medium, verifier)
    files.replace_file(part, path)


def _check_signature(found, path, medium, verifier):
    """Check a signature of the file itself. A file that came when the tool was missing is checked later, too."""
    if verifier.missing is not None or medium["signature"].get("signs") != "file":
        return
    try:
        verifier.verify_file(found.base, path)
    except Refused:
        files.remove(path)
        raise


def _part(path, found):
    """The name of an incomplete file: it has the checksum, so that a part of another version is never completed."""
    folder, name = os.path.split(path)
    beginning, ending = f".{name}.", ".part"
    mine = f"{beginning}{found.checksum.digits[:16]}{ending}"
    for other in files.entries(folder):
        if other.startswith(beginning) and other.endswith(ending) and other != mine:
            files.remove(os.path.join(folder, other))
    return os.path.join(folder, mine)


def _fetch_from_any(found, bases, part, timeout):
    """Download from the address that has the list, else from another one: the checksum is the same everywhere."""
    problems = []
    for base in dict.fromkeys([found.base, *(one.rstrip("/") for one in bases)]):
        try:
            _fetch_all(f"{base}/{quote(found.checksum.file, _SAFE)}", part, timeout)
        except (NotFound, Unavailable) as error:
            problems.append(error)
        else:
            found.base = base
            return
    messages, remedy = " ".join(error.message for error in problems), problems[-1].remedy
    raise Unavailable(messages, why="not_responding", remedy=remedy or "Check the addresses, or add another mirror.")


def _fetch_all(url, part, timeout):
    """Download what is missing; a connection that breaks off is opened again as long as something arrives."""
    failures = 0
    while True:
        before = files.size(part) if files.exists(part) else 0
        if download.fetch_onto(url, part, timeout):
            return
        failures = 0 if files.size(part) > before else failures + 1
        if failures >= _ATTEMPTS:
            raise Unavailable(
                f"{download.shown(url)}: the connection broke off after {files.size(part)} bytes.",
                why="not_responding",
                remedy="Run the task again. If the server supports ranges, it continues there.",
            )
        Clock().sleep(_PAUSE)


def _result(wanted, changes, directory):
    medium, *others = wanted
    names = [os.path.basename(found.checksum.file) for found in changes]
    return {
        "changed": bool(changes),
        "path": _path(medium, directory),
        "initrd": _path(others[0], directory) if others else None,
        "checksum": f"{medium.checksum.kind}:{medium.checksum.digits}",
        "url": f"{download.shown(medium.base)}/{medium.checksum.file}",
        "signature": medium.verdict.state,
        "diff": {
            "before_header": directory,
            "after_header": directory,
            "before": "",
            "after": "".join(f"{name}\n" for name in names),
        },
        "warnings": [f"The signature of {medium.checksum.file} was not checked. {medium.verdict.note}"]
        if medium.verdict.state == signatures.NOT_CHECKED
        else [],
    }

# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module install_medium does: find the newest file in a vendor's list, and have exactly that in the cache."""

from __future__ import annotations

import os

from .._core.errors import InvalidInput, Refused
from .._core.options.option import VM, Option
from .._ports import download, files, partial_files, permits
from .._ports.clock import Clock
from . import verify
from .download import (
    Line,
    check_signature,
    download_verified,
    downloading,
    find_listed,
    remove_other_parts,
    verifier_of,
    with_checksum,
)
from .names import parts_of

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
    "architecture": Option(),
    "unverified": Option("list", elements="str"),
    "image": Option("dict"),
    "url": Option(has_password=True),
    "checksum": Option(has_password=True),
}
OPTIONS = {
    "medium": Option("dict", options=_MEDIUM, required=True),
    "directory": Option("path", required=True),
    "architecture": VM["architecture"],
    "require_signature": Option("bool", default=False),
    "key_file": Option("path", secret=False),
    "timeout": Option("int", default=60),
}
#: Suboptions about a file in a vendor's list of checksums.
_OF_VENDOR = {"initrd", "checksums", "signature"}
#: Seconds to wait for another task that downloads the same file.
_LONGEST_WAIT = 3600


def answer(params, check, approval):
    """What the module install_medium returns."""
    medium = _with_parts({name: value for name, value in params["medium"].items() if value is not None})
    _check_form(medium, params)
    names = [medium[name] for name in ("file", "initrd") if name in medium]
    verifier = verifier_of(medium, params["require_signature"], params["timeout"], params["key_file"])
    if params["require_signature"] and verifier.missing:
        raise Refused(
            f"{medium['file']}: its signature cannot be checked. {verifier.missing.note}", "Nothing was changed."
        )
    wanted = [_found(medium, name, verifier, Line(params["timeout"])) for name in names]
    missing = [found for found in wanted if not _is_cached(found, params["directory"])]
    _permit(missing, params["directory"], approval)
    changes, outcomes = _changed(wanted, missing, medium, verifier, params, check)
    return _result(wanted, changes, outcomes, params["directory"])


def _with_parts(medium):
    """Return the medium; one that has a whole address gets the address of the directory and the name of the file."""
    if "url" not in medium:
        return medium
    base, file = parts_of(medium["url"])
    return {**medium, "bases": [base], "file": file, "address": medium["url"]}


def _found(medium, name, verifier, line):
    if "checksum" in medium:
        return with_checksum(medium["checksum"], medium, line, f"medium: {medium['file']}")
    return find_listed(medium, name, verifier, line)


def _check_form(medium, params):
    if "manual" in medium:
        raise InvalidInput(
            f"medium: this one is not published for download. Get it from {medium['manual']}, and use its path.",
        )
    if ("url" in medium) != ("checksum" in medium) or ("url" in medium and set(medium) & _OF_VENDOR):
        raise InvalidInput("medium: url and checksum are set together, and without the other suboptions.")
    missing = [
        name for name in ("bases", "file", "checksum" if "url" in medium else "checksums") if not medium.get(name)
    ]
    if missing:
        raise InvalidInput(
            f"medium: {', '.join(missing)} required. The lookup polyvirt.core.distribution returns media."
        )
    if medium.get("signature", {}).get("signs") == "file" and not medium["signature"].get("file"):
        raise InvalidInput("medium.signature: file is required if signs is file.")
    asked, found = params["architecture"], medium.get("architecture")
    if asked and asked != found:
        raise InvalidInput(
            f"architecture: {asked} was requested, but {medium['file']} is for {found or 'an unknown architecture'}.",
            f"Set medium to one for {asked}, as the lookup polyvirt.core.distribution returns it with"
            f" architecture='{asked}'. For a file of your own, set medium.architecture.",
        )
    if not os.path.isabs(params["directory"]):
        raise InvalidInput(f"directory: {params['directory']} is not an absolute path.")


def _changed(wanted, missing, medium, verifier, params, check):
    """Return the files that are missing in the cache or have another content; not in check mode, they are replaced.

    Also returns {file: (address that it came from, Verdict of its own signature)}, with None where neither is known.
    """
    directory = params["directory"]
    if check:
        return missing, {}
    outcomes = {
        found.file: (None, check_signature(found.base, _path(found, directory), medium, verifier))
        for found in wanted
        if found not in missing
    }
    if missing:
        files.make_folder(directory, files.ENTERED)
        outcomes.update({found.file: _download(found, medium, verifier, params) for found in missing})
    return [found for found in missing if outcomes[found.file][0]], outcomes


def _permit(missing, directory, approval):
    """Let the approval of the task permit its plan, before anything is done."""
    plan = [{"path": _path(found, directory), "digest": found.digest} for found in missing]
    approval.permit(plan, [(None, [f"download {one['path']} ({one['digest']})" for one in plan])])


def _is_cached(found, directory):
    path = _path(found, directory)
    return files.is_file(path) and files.digest(path, found.checksum.kind) == found.checksum.digits


def _path(found, directory):
    return os.path.join(directory, os.path.basename(found.file))


def _download(found, medium, verifier, params):
    """Return the address that the file came from, and the Verdict of its own signature.

    Both are None if another task has downloaded it meanwhile.
    """
    path, key = _path(found, params["directory"]), found.checksum.digits[:16]
    remove_other_parts(path, key)
    with downloading(path, key, Clock().now() + _LONGEST_WAIT) as part:
        if _is_cached(found, params["directory"]):
            return None, None
        base = download_verified(found, medium["bases"], part, Line(params["timeout"]))
        verdict = check_signature(base, part, medium, verifier)
        # Hypervisors read it with their own permissions.
        partial_files.make_readable(part)
        with permits.also([path]):  # The plan shows it, and its digest is another one.
            files.replace_file(part, path)
    return base, verdict


def _result(wanted, changes, outcomes, directory):
    medium, *others = wanted
    base, verdict = outcomes.get(medium.file, (None, None))
    verdict = verdict or medium.verdict
    names = [os.path.basename(found.file) for found in changes]
    return {
        "changed": bool(changes),
        "path": _path(medium, directory),
        "initrd": _path(others[0], directory) if others else None,
        "checksum": medium.digest,
        "url": f"{download.shown(base or medium.base)}/{medium.file}",
        "signature": verdict.state,
        "diff": {
            "before_header": directory,
            "after_header": directory,
            "before": "",
            "after": "".join(f"{name}\n" for name in names),
        },
        "warnings": [f"The signature of {medium.file} was not checked. {verdict.note}"]
        if verdict.state == verify.NOT_CHECKED
        else [],
    }

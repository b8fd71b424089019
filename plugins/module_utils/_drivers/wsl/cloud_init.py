# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: the documents for cloud-init: files in the profile of the user, which a distribution reads at its first start.

A new distribution of the same name would read them again. So they are removed with their distribution, but only if
their content is that of its mark.
"""

from __future__ import annotations

import hashlib
import ntpath
import re

from ..._core.errors import Refused
from ..._core.record.mark import parsed
from ..._ports import permits
from ..._ports.windows_request import Chain, read, write
from ..._tools.windows_files import check_folder, environment_call, folder_call, key_of, removal
from ..._tools.wsl import MARK, is_path

_LIMIT = 1 << 20
_FOLDER = ".cloud-init"
#: The first release of Ubuntu with a cloud-init that looks for these files.
_SINCE = (24, 4)
_UBUNTU = re.compile(r"ubuntu(?:-(\d+)\.(\d+))?", re.IGNORECASE)


def check_documents(driver, name, step):
    """Raise if the documents of a new distribution cannot be used; else the driver keeps them for the step."""
    arguments = step.arguments
    from ..._tools import seed

    _check_source(name, arguments["creation"].get("image"))
    if (arguments["config"].get("version") or driver.host.default_version) == 1:
        raise Refused(f"{name}: cloud_init: it needs version 2.", "Set version: 2.")
    documents = seed.files_for_wsl(arguments["creation"]["cloud_init"], name)
    folder = ntpath.join(_profile(driver), _FOLDER)
    contents = {ntpath.join(folder, f"{name}.{one}"): text.encode() for one, text in documents.items()}
    raw = driver.host.find(name)
    _check_files(driver, name, contents, _recorded(parsed(raw.get(MARK))) if raw else {})
    driver.documents[name.lower()] = contents


def _check_source(name, image):
    source = (image or {}).get("source")
    if not source or is_path(source):
        return  # What a file or another distribution contains is not known.
    found = _UBUNTU.fullmatch(source)
    if not found or (found[1] and (int(found[1]), int(found[2])) < _SINCE):
        raise Refused(
            f"{name}: cloud_init: the image '{source}' has no cloud-init that reads these files.",
            "Use Ubuntu 24.04 or later, or a file (.wsl or a tarball) with cloud-init and systemd, or set default_user,"
            " systemd and native.",
        )


def _profile(driver):
    (result,) = driver.send([Chain("profile", (environment_call("USERPROFILE"),))])
    return result.answers[0].objects[0]["Value"]


def _check_files(driver, name, contents, recorded):
    """Raise Refused for a file of another content, unless an interrupted task has recorded that it wrote it."""
    chains = [Chain(name, tuple(read(path, _LIMIT) for path in contents))]
    (result,) = driver.send(chains)
    for (path, content), answer in zip(contents.items(), result.answers):
        if not answer.details.get("exists"):
            continue
        found = answer.bytes()
        if found != content and recorded.get(key_of(path)) != _digest(found):
            raise Refused(
                f"{name}: cloud_init: {path} exists already, and a distribution of this name would read it.",
                "Remove the file, or set another name.",
            )


def marked(driver, name):
    """Return what the mark of a distribution records of its documents: {path: digest}."""
    contents = driver.documents.get(name.lower())
    return {"documents": {path: _digest(content) for path, content in contents.items()}} if contents else {}


def _digest(content):
    return hashlib.sha256(content).hexdigest()[:16]


def _recorded(mark):
    """Return {key of a path: digest} of the documents in a mark."""
    documents = (mark or {}).get("documents")
    documents = documents if isinstance(documents, dict) else {}
    return {key_of(path): digest for path, digest in documents.items() if ntpath.dirname(path).endswith(_FOLDER)}


def write_documents(driver, vm):
    """Write the documents of a new distribution, like a step; it was not started yet."""
    contents = driver.documents.get(vm.name.lower())
    if contents:
        folder = ntpath.dirname(min(contents))
        result = yield [folder_call(folder), *(write(path, content) for path, content in contents.items())]
        check_folder(f"{vm.name}: cloud_init", folder, result.answers[0])


def remove_documents(mark):
    """Remove the documents in a mark, like a step, if nobody has changed them."""
    recorded = _recorded(mark)
    if not recorded:
        return
    result = yield [read(path, _LIMIT, go_on=True) for path in recorded]
    own = [
        path
        for (path, digest), answer in zip(recorded.items(), result.answers)
        if answer.error is None and answer.details.get("exists") and _digest(answer.bytes()) == digest
    ]
    if own:
        with permits.also(own):
            calls = [removal(own)]
        yield calls

# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of ``describe_vms``: reads all VMs of inventory sources, and writes files that describe them."""

from __future__ import annotations

import difflib
import os

from ...module_utils._core.errors import NotFound, PolyvirtError
from ...module_utils._ports import files as port
from ..inventory.sources import sources_for
from ..tasks.controller_action import OverSources
from ..tasks.registry import PLATFORMS
from .files import files_of, is_unchanged, not_described

#: Lines of a difference that are shown for a file that is kept.
_MOST_LINES = 200


class DescribeVms(OverSources):
    def _answer(self, options, check):
        sources = sources_for(self._loader, self._task_vars, options["sources"], self.own)
        if not sources.names:
            raise NotFound(
                f"No inventory file of polyvirt.core.vms is among {', '.join(sources.paths) or 'those of this run'}.",
                "Set describe_sources to the file that defines the sources. Nothing was written.",
            )
        found, unread = _read(sources, options["timeout"])
        folder = os.path.abspath(options["directory"])
        written = [
            write(os.path.join(folder, name), text, options["replace"], check)
            for name, text in files_of(found, options["form"]).items()
        ]
        return _result(written, not_described(found, options["form"]), unread, sources.optional)


def _read(sources, seconds):
    """Return ([(Source, VMs)], {name of a source that was not read: why})."""
    tasks = {name: [_task(sources.source(name))] for name in sources.names}
    results = {name: result for name, (result,) in sources.run(tasks, seconds).items()}
    found = [(sources.source(name), one["vms"]) for name, one in results.items() if not one.get("failed")]
    return found, {name: one["msg"] for name, one in results.items() if one.get("failed")}


def _task(source):
    module = f"polyvirt.core.{PLATFORMS[source.platform].vm_info}"
    return {module: {**source.options, "facets": ["power"], "describe": True, "required": True}}


def write(path, text, replaces, check):
    """Write one file, unless a person has changed it. Return {path, outcome, before, after}."""
    try:
        old = port.read(path).decode("utf-8", "replace")
    except NotFound:
        old = None
    if old == text:
        outcome = "unchanged"
    elif old is None or replaces or is_unchanged(old):
        outcome = "written"
        if not check:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            # The files are for a repository, which colleagues read; a task writes no password to them.
            port.replace_content(path, text.encode("utf-8", "surrogateescape"), mode=0o644)
    else:
        outcome = "kept"
    return {"path": path, "outcome": outcome, "before": old or "", "after": text}


def _result(written, warnings, unread, optional):
    changed = [one for one in written if one["outcome"] == "written"]
    kept = [one for one in written if one["outcome"] == "kept"]
    warnings = [*warnings, *(f"{one['path']} was changed by hand, so it was not overwritten." for one in kept)]
    problems = [f"source {name}: {why}" for name, why in unread.items() if name not in optional]
    warnings += [f"source {name}: {why}" for name, why in unread.items() if name in optional]
    return {
        "changed": bool(changed),
        "files": [{"path": one["path"], "outcome": one["outcome"], "difference": _difference(one)} for one in written],
        "diff": [{"before_header": one["path"], "after_header": one["path"], **_contents(one)} for one in changed],
        "warnings": warnings,
        **({"failed": True, "msg": str(_unread(problems))} if problems else {}),
    }


def _unread(problems):
    return PolyvirtError(
        "\n".join(problems), "The files of this source were not changed; those of all other sources are up to date."
    )


def _contents(one):
    return {"before": one["before"], "after": one["after"]}


def _difference(one):
    """The lines in which a file that is kept differs from what would be written."""
    if one["outcome"] != "kept":
        return []
    lines = difflib.unified_diff(
        one["before"].splitlines(), one["after"].splitlines(), one["path"], "generated", lineterm=""
    )
    return list(lines)[:_MOST_LINES]

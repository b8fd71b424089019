# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as one HTML page, which needs neither a server nor another file."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from .differences import text_of
from .model import STATUSES

_UNIT = re.compile(r"([MG])$")
_TEMPLATES = Path(__file__).parents[3] / "templates" / "report"
_TITLES = {"failed": "Failed", "drift": "Differs", "changed": "Changed", "ok": "OK"}
_COLUMNS = {
    **{"status": "Status", "name": "Name", "place": "Host", "state": "State", "address": "Addresses", "size": "Size"},
    **{"lease": "Owner", "what": "Findings"},
}
#: The parts of the first sentence.
_PARTS = {"failed": "{} failed", "drift": "{} differ from the tasks", "changed": "{} changed", "ok": "{} as described"}
#: VMs that the script shows first; a button shows all.
_LIMIT = 200
#: Before the table is parsed: without a script, all details are visible.
_START = 'document.documentElement.className = "js";'


def html(report):
    """The text of the page."""
    vms, summary = report["vms"], report["summary"]
    has_leases = any(vm["owner"] or vm["expires"] for vm in vms)
    return _template().render(
        report=report,
        titles=_TITLES,
        limit=_LIMIT,
        used=[status for status in STATUSES if summary[status]],
        columns={name: title for name, title in _COLUMNS.items() if has_leases or name != "lease"},
        has_leases=has_leases,
        order={status: number for number, status in enumerate(STATUSES)},
        anchors={vm["key"]: f"vm-{number}" for number, vm in enumerate(vms, 1)},
        names={vm["key"]: vm["name"] for vm in vms},
        parts=_parts(summary, report["compared"]),
        bar=_bar(summary),
        **_own_code(),
    )


@cache
def _template():
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(count=_count, clock=_clock, size=_size, text=text_of)
    return environment.get_template("page.html.j2")


def _own_code():
    """The style and the scripts of the page, and the policy that permits nothing else: no other script can run."""
    style, script = ((_TEMPLATES / name).read_text("utf-8") for name in ("page.css", "page.js"))
    scripts = " ".join(_hash(one) for one in (_START, script))
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {scripts}; base-uri 'none'; form-action 'none'"
    code = {"style": style, "script": script, "start": _START}
    # These files are a part of this collection, and no values are in them.
    return {"policy": policy, **{name: Markup(text) for name, text in code.items()}}  # noqa: S704 - see above


def _hash(text):
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _parts(summary, is_compared):
    texts = _PARTS if is_compared else {**_PARTS, "ok": "{} listed, not compared with tasks"}
    parts = [
        {"status": status, "text": text.format(summary[status])} for status, text in texts.items() if summary[status]
    ]
    failed = summary["tasks"].get("failed", 0)
    if failed:
        parts.insert(
            bool(summary["failed"]), {"status": "failed", "text": f"{_count(failed, 'task')} failed completely"}
        )
    return parts


def _bar(summary):
    """The part of each status, in thousandths."""
    parts, counted = [], 0
    for status in STATUSES:
        places = [1000 * number // max(summary["vms"], 1) for number in (counted, counted + summary[status])]
        parts.append({"status": status, "x": places[0], "width": places[1] - places[0]})
        counted += summary[status]
    return [one for one in parts if one["width"]]


def _count(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _clock(created):
    """2026-11-25T20:40:00Z as 2026-11-25 20:40 UTC."""
    return f"{created[:10]} {created[11:16]} UTC"


def _size(vm, is_now=False):
    """CPUs and memory in one short text; in check mode those that the VM would have, unless ``is_now``."""
    before = {one["path"]: one["before"] for one in vm["differences"] if is_now and vm["planned"]}
    cpus, memory = before.get("cpus") or vm["cpus"], vm["memory_mib"]
    text = (f"{memory // 1024}G" if memory % 1024 == 0 else f"{memory}M") if memory else ""
    sizes = [_count(cpus, "CPU") if cpus else "", _UNIT.sub(r" \1iB", before.get("memory") or text)]
    return ", ".join(one for one in sizes if one)

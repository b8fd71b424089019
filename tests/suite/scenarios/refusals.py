# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that must fail, each with one clear message and before any change.

``words`` are what the message has to hold: the machine (where one was meant), the option or the thing, and the remedy.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import VM

from suite.scenarios.options import POLICY, has, rejection

#: Options that not every platform's module has.
_OF_MODULE = ("storage_path",)
#: VMs with one disk and without a NIC, which exist when the tasks run.
KNOWN, OTHER = "pvc-known", "pvc-other"
NEW = "pvc-new"


@dataclass(frozen=True)
class Refused:
    """A task that must fail, and words of its message."""

    label: str
    options: dict
    words: tuple


def _form():
    """Wrong values, which are found before the platform is read."""
    return [
        Refused("state word", {"name": [NEW], "state": "runing"}, ("state", "runing", "started")),
        Refused("no name", {"state": "started"}, ("name", "Set the name")),
        Refused("name empty", {"name": [""]}, ("name", "empty", "Set")),
        Refused("name with slash", {"name": ["pvc-a/b"]}, ("pvc-a/b", "slash", "without")),
        Refused("name with newline", {"name": ["pvc-a\nb"]}, ("pvc-a", "newline", "printable")),
        Refused("name twice", {"name": [NEW, NEW]}, (NEW, "twice", "once")),
        Refused("memory unknown unit", {"name": [KNOWN], "memory": "2X"}, ("memory", "2X", "512M")),
        Refused("memory zero", {"name": [KNOWN], "memory": "0"}, ("memory", "'0'", "above zero")),
        Refused("memory negative", {"name": [KNOWN], "memory": "-1G"}, ("memory", "-1G", "512M")),
        Refused("disk size", {"name": [KNOWN], "disks": [{"size": "big"}]}, ("disks", "'big'", "20G")),
        Refused("cpus zero", {"name": [KNOWN], "cpus": 0}, ("cpus", "0", "1 or more")),
        Refused("mac", {"name": [KNOWN], "networks": [{"mac": "52:54"}]}, ("networks", "52:54", "six pairs")),
        Refused("colours", {"name": [KNOWN], "description": "\x1b[32mok"}, ("description", "x1b", "Remove it")),
        *(
            Refused(f"record {text}", {"name": [KNOWN], "description": f"x\n{text}"}, ("description", "Remove the"))
            for text in ('<!-- polyvirt {"id":"101"} -->', '#polyvirt {"id":"1"}')
        ),
        Refused("timeout zero", {"name": [KNOWN], "timeout": 0}, ("timeout", "0", "1 or more")),
        Refused("purge without list", {"name": [KNOWN], "purge": ["disks"]}, ("purge", "disks", "[] for none")),
        Refused(
            "source for two", {"name": [NEW, OTHER], "disks": [{"source": "/x"}]}, ("disks", "several", "one name")
        ),
    ]


def _network(platform):
    empty = {"name": [KNOWN], "networks": [{"source": ""}]}
    words = ("networks[0].source", "empty", "omit")
    return [] if platform.has_nic_without_network else [Refused("network empty", empty, words)]


def _platform_wide(platform):
    new = {**platform.creation, "name": [NEW]}
    known = {"name": [KNOWN]}
    first, second = platform.slots
    others, other, source = platform.disk_of(OTHER), {"format": platform.other_format}, platform.traits().sources[0]
    return [
        Refused("typo", {"name": ["pvc-knwon"], "state": "started"}, ("pvc-knwon", KNOWN, OTHER)),
        Refused("unknown id", {"id": "deadbeef", "state": "started"}, ("deadbeef", KNOWN)),
        Refused("id of another", {**known, "id": "deadbeef", "state": "stopped"}, (KNOWN, "deadbeef", "omit it")),
        Refused("disk of another", {**known, "disks": [{"slot": second, "source": others}]}, (KNOWN, OTHER, "Detach")),
        Refused("format", {**known, "disks": [other]}, (KNOWN, f"disks.{first}.format", "attach another")),
        Refused("no size", {**known, "disks": [{"slot": second}]}, (KNOWN, second, "size")),
        Refused("no network", {**new, "networks": [{"type": "network", "source": "pvc-no"}]}, (NEW, "pvc-no")),
        Refused("nothing to make from", {"name": [NEW], "state": "present"}, (NEW, source, KNOWN)),
    ]  # fmt: skip


def _as_lacking(platform, case):
    """The case with another expected error if the platform does not support an option of it."""
    never = _never(platform, case)
    if never:
        return Refused(case.label, case.options, never)
    fields, instead = platform.traits().fields, platform.traits().instead
    name = (case.options.get("name") or [""])[0]
    for option, value in case.options.items():
        if option in _OF_MODULE and option not in platform.connection:
            return Refused(case.label, case.options, ("Unsupported", option))
        if option in VM and option not in POLICY and not has(platform.traits(), option):
            return Refused(case.label, case.options, (name, option, "is not supported", instead[option]))
        if isinstance(value, list) and any(_lacks(fields, option, entry) for entry in value if isinstance(entry, dict)):
            return Refused(case.label, case.options, (name, option))
    return case


def _never(platform, case):
    """The words of the message about an option that no version of the platform has; this error comes first."""
    message = rejection(platform.traits(), case.options)
    return message and (message,)


def _lacks(fields, option, entry):
    for attribute, value in entry.items():
        field = fields.get(f"{option}.{attribute}")
        is_no_kind = attribute == "type" and field is not None and field.choices and value not in field.choices
        if attribute not in ("slot", "name") and (field is None or is_no_kind):
            return True
    return False


def _of_files(platform):
    """Errors on platforms on which images, ISO images and directories are those of the host."""
    new, known = {**platform.creation, "name": [NEW]}, {"name": [KNOWN]}
    storage, others = platform.storage, platform.disk_of(OTHER)
    images = [
        Refused("no image", {**new, "image": {"source": "/nonexistent.qcow2"}}, (NEW, "/nonexistent.qcow2", "path")),
        Refused("relative image", {**new, "image": {"source": "x.qcow2"}}, ("image", "x.qcow2", "absolute path")),
        Refused("image is none", {**new, "image": {"source": str(storage / "text")}}, (NEW, "text", "disk image")),
        Refused(
            "refresh of a path",
            {**new, "image": {"source": others, "refresh": True}},
            (NEW, "image.refresh", "is not downloaded"),
        ),
        Refused("image of another", {**new, "image": {"source": others}}, (NEW, OTHER, "copy")),
    ]
    if hasattr(platform, "own_medium"):  # Its images are no files.
        images = [Refused("path", {**new, "image": {"source": others}}, (NEW, "is not a box file", ".box"))]
    return [
        *images,
        Refused("no iso", {**known, "iso": "/nonexistent.iso"}, (KNOWN, "iso", "/nonexistent.iso", "path")),
        Refused("iso is none", {**known, "iso": str(storage / "text")}, (KNOWN, "iso", "ISO 9660")),
        Refused("no folder", {**new, "storage_path": "/nonexistent"}, ("storage_path", "/nonexistent", "Create it")),
    ]


def _backend():
    """Errors on platforms with a tool on the host, which cannot be found."""
    name = {"name": [KNOWN], "state": "started"}
    return [
        Refused("no executable", {**name, "executable": "tool-missing"}, ("tool-missing", "PATH", "Install")),
        Refused("no such program", {**name, "executable": "/nonexistent/tool"}, ("/nonexistent/tool", "Install")),
    ]


def refusals(platform):
    of_host = [*_of_files(platform), *_backend()] if platform.handles_files else []
    cases = [_as_lacking(platform, case) for case in (*_platform_wide(platform), *of_host)]
    forms = [
        Refused(one.label, one.options, _never(platform, one) or one.words) for one in (*_form(), *_network(platform))
    ]
    return [*forms, *cases, *platform.own_refusals(KNOWN, NEW)]

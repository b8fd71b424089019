# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others write is data: each text of a VM is replaced by what nobody expects, and costs that one VM at most.

A double keeps the texts that people write. Each of them is replaced, one at a time, behind the back of the product.
Then everything is read and checked: there is no internal error, and all other VMs are reported as before.
"""

from __future__ import annotations

import json
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from platforms.benches import DOUBLES
from platforms.libvirt.bench import TestDriver as LibvirtTestDriver
from suite.bench import NAME, comparable
from suite.templates import TEMPLATES

pytestmark = pytest.mark.full

OTHER, NAMED = "other", "canary-name"
POISONS = {
    **{what: text.format(file="/tmp/polyvirt-poisoned") for what, text in TEMPLATES.items()},
    "nested": "[" * 5000,
    "number": str(10**30),
    "control": "\x00\x1b[2J\u202e<&\"'",
    "megabyte": "x" * (1 << 20),
    "record": '<!-- polyvirt {"v": 99, "id": 7} -->\n# polyvirt {"v": 99, "id": []}',
}
#: {text that is replaced: how the VM gets it}
CANARIES = {
    "canary-description": ("vm", {"description": "canary-description"}),
    "canary-tag": ("vm", {"tags": ["canary-tag"]}),
    "canary-owner": ("vm", {"owner": "canary-owner"}),
    "canary-snapshot": ("snapshot", {"snapshot": "canary-snapshot"}),
    "canary-note": ("snapshot", {"snapshot": "noted", "description": "canary-note"}),
    NAMED: ("vm", {"name": NAMED}),
}
#: {text: platforms where the platform itself, or a file of its administrator, limits it, or that do not have it}
_OF_A_FORM = {
    NAMED: ("vmm", "proxmox", "vagrant with virtualbox", "vagrant with hyperv", "vagrant with libvirt"),
    "canary-snapshot": ("proxmox",),
    "canary-note": ("vagrant with hyperv",),
}
_OF_DOUBLES = ("platforms", "simulators", "unit", "suite")


class _Poison:
    """Replaces a text in the objects of a double, and in the files of its directory, until ``undo``."""

    def __init__(self, bench, old, new):
        self._old, self._new, self._seen, self.undo_calls = old, new, {}, []
        self._walk(bench)
        for path in Path(bench.folder).rglob("*"):
            if path.is_file() and path.stat().st_size < 1 << 22:
                self._replace_file(path)
        assert self.undo_calls, "nothing was replaced"

    def undo(self):
        for call in reversed(self.undo_calls):
            call()

    def _replaced(self, text):
        if self._old == NAMED:  # Not in the paths of its files.
            return self._new if text == NAMED else text
        return text.replace(self._old, self._new)

    def _replace_file(self, path):
        content = path.read_bytes()
        old, new = self._old.encode(), _in_file(content, self._new)
        quoted = (b'"%s"' % old, b'"%s"' % new) if self._old == NAMED else (old, new)
        if quoted[0] in content:
            path.write_bytes(content.replace(*quoted))
            self.undo_calls.append(lambda: path.write_bytes(content))

    def _walk(self, value):
        """``value`` with the text replaced below it. What can be changed is changed in place."""
        if isinstance(value, str) and self._old in value:
            return self._replaced(value)
        if id(value) in self._seen:
            return value
        self._seen[id(value)] = value
        if isinstance(value, dict):
            self._set_all(list(value.items()), value.__setitem__)
        elif isinstance(value, list):
            self._set_all(list(enumerate(value)), value.__setitem__)
        elif type(value) is tuple:
            return tuple(map(self._walk, value))
        elif type(value).__module__.partition(".")[0] in _OF_DOUBLES:
            items = list(getattr(value, "__dict__", {}).items())
            self._set_all(items, lambda name, one: object.__setattr__(value, name, one))
        return value

    def _set_all(self, items, set_one):
        for key, one in items:
            changed = self._walk(one)
            if changed is not one and changed != one:
                set_one(key, changed)
                self.undo_calls.append(lambda key=key, one=one: set_one(key, one))


def _in_file(content, text):
    """The bytes that stand for a text in a file with this content. XML has no control characters, and no file a NUL."""
    if content.lstrip().startswith(b"<"):
        return escape(text.translate(dict.fromkeys(range(32))), {'"': "&quot;"}).encode()
    return json.dumps(text.replace("\0", ""))[1:-1].encode()


def _reported(bench, names):
    """These VMs, as the info module reports them: {name: text to compare}."""
    return {one["name"]: comparable(repr(one), bench.folder) for one in bench.described() if one["name"] in names}


def _check(bench, other, poison):
    """Assert that nothing else changes with each of the poisons; ``poison(text)`` returns a function that undoes it."""
    own = {one["name"] for one in bench.described() if one["name"].endswith(NAME) or one["name"] == NAMED}
    names = {one["name"] for one in bench.described()} - own
    before = _reported(bench, names)
    assert other in before
    for what, text in POISONS.items():
        undo = poison(text)
        assert _reported(bench, names) == before, what
        found = bench.task(("vm", {"name": other, "tags": ["more"]}), check=True)
        assert (found.failed, "Unexpected" in found.msg) == (False, False), (what, found.msg)
        found = bench.task(("vm", {"tags": ["more"]}), check=True)
        assert "Unexpected" not in found.msg, (what, found.msg)
        undo()


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("kind", DOUBLES)
def test_poisoned_text_costs_nothing_else(kind, canary):
    about, option = CANARIES[canary]
    if about == "snapshot" and not kind.has_snapshots:
        pytest.skip("the platform has no snapshots")
    if kind.name in _OF_A_FORM.get(canary, ()):
        pytest.skip("this text has a form of its own on this platform")
    with kind.opened() as bench:
        creation = {"state": "started" if about == "snapshot" else "present", **(bench.creation or {"disks": [{}]})}
        for name in (NAME, OTHER):
            bench.done(("vm", {"name": name, **creation}))
        bench.done((about, {**creation, **option} if canary == NAMED else option))
        _check(bench, OTHER, lambda text: _Poison(bench, canary, text).undo)


@pytest.mark.parametrize("canary", ["canary-description", "canary-tag", "canary-owner"])
def test_poisoned_definition_costs_nothing_else(ground, canary):
    with LibvirtTestDriver.opened(ground=ground) as bench:
        other = bench.names()[1]
        for name in (NAME, other):
            bench.done(("vm", {"name": name, "state": "present", **bench.creation}))
        bench.done(CANARIES[canary])
        _check(bench, other, lambda text: bench.replace_text(canary, _in_file(b"<", json.dumps(text)[1:-1]).decode()))

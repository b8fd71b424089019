# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What vmd rejects when it reads a file that ``vmd -n`` accepts, compared with the answers of vmd's own parser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vm_conf

from platforms.vmm.double import vmconf

_GOLDEN = Path(vmconf.__file__).parents[1] / "golden" / "vm_conf.json"
_CASES = [case for case in json.loads(_GOLDEN.read_text(encoding="utf-8"))["cases"] if case["check"]["rc"] == 0]
_DISK = '\tdisk "/d"\n'


def _read(text, **more):
    return vm_conf.read("/vm.conf", {"/vm.conf": text, **more}.get)


def _rejected(*words):
    from ansible_collections.polyvirt.core.plugins.module_utils._tools.vm_conf_registration import rejected

    return rejected(*words)


def test_every_file_that_vmd_n_accepts_is_judged_as_vmd_does_when_it_reads_it():
    assert len(_CASES) > 400
    assert sum(case["load"]["rc"] for case in _CASES) > 40
    wrong = []
    for case in _CASES:
        included = {f"@DIR@/{name}": text for name, text in case.get("extra", {}).items()}
        files = {"@DIR@/vm.conf": case["text"], **included}
        found = _rejected(vm_conf.read("@DIR@/vm.conf", files.get))
        if bool(found) != bool(case["load"]["rc"]):
            wrong.append((case["id"], case["load"].get("log"), found))
        elif found:
            assert f'vm "{vm_conf.encoded(found[0].name)}" failed' in case["load"]["log"], case["id"]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ('vm "a" {\n\tboot "/bsd.rd"\n}\n', "a", "neither a disk"),
        ('vm "a" {\n\tdisable\n}\n', "a", "no devices"),
        (f'vm "-x" {{\n{_DISK}}}\n', "-x", "name"),
        (f'vm "t" instance "i" {{\n{_DISK}}}\nvm "t" {{\n\tdisk "/t"\n}}\n', "i", "'t' is not defined before"),
        ('vm "t" {\n\tdisk "/t"\n}\nvm "t" instance "i" {\n\tdisk "/t"\n}\n', "i", "/t"),
        (f'vm "t" {{\n{_DISK}\towner alice\n}}\nvm "t" instance "i" {{\n\tdisk "/i"\n\towner bob\n}}\n', "i", "owner"),
    ],
)
def test_reason_names_the_block(text, name, words):
    block, reason = _rejected(_read(text))
    assert (block.name, words in reason) == (name, True), reason


def test_block_of_a_running_vm_is_ignored():
    text = 'vm "a" {\n\tboot "/bsd.rd"\n}\n'
    assert _rejected(_read(text), {"a"}) is None
    assert _rejected(_read(text), {"b"}) is not None


def test_user_given_by_number_may_be_that_of_the_template():
    text = f'vm "t" {{\n{_DISK}\towner alice\n}}\nvm "t" instance "i" {{\n\tdisk "/i"\n\towner 1000\n}}\n'
    assert _rejected(_read(text)) is None

# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of vmd reads vm.conf as OpenBSD's own parser did: verdict, messages with their lines, registered VMs."""

from __future__ import annotations

import json

import pytest

from platforms.vmm.double import vmconf
from platforms.vmm.double.host import Host
from unit.simulators.recorded_vm_conf import GOLDEN, HOST, recorded_files, recorded_folder, registered

KINDS = sorted({case["kind"].partition(":")[0] for case in GOLDEN["cases"]})


@pytest.fixture(name="folder", scope="module")
def _folder():
    with recorded_folder() as folder:
        yield folder


@pytest.mark.parametrize("kind", KINDS)
def test_every_recorded_file_is_read_as_openbsd_reads_it(kind, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = {}
    for case in GOLDEN["cases"]:
        if case["kind"].partition(":")[0] == kind:
            answers = _answers(case, folder)
            if answers != {"check": case["check"], "load": case["load"]}:
                wrong[case["id"]] = answers
    assert wrong == {}


def _answers(case, folder):
    """What the double answers, with @DIR@ for the folder."""
    with recorded_files(case, folder) as path:
        text = json.dumps({"check": _checked(path), "load": _loaded(path)})
    return json.loads(text.replace(str(folder), "@DIR@"))


def _checked(path):
    verdict = vmconf.read(str(path), HOST)
    return {"rc": int(not verdict.is_good), "stderr": vmconf.report(verdict)}


def _loaded(path):
    verdict, registry = registered(path)
    state = {"global": registry.globals, "switches": registry.switches}
    if registry.globals.get("socket_owner") == [0, 0]:
        del registry.globals["socket_owner"]
    state = {key: value for key, value in state.items() if value}
    log = "".join(f"{message}\n" for message in verdict.messages)
    return {"rc": int(not verdict.is_good), "log": log, "state": {**state, "vms": registry.vms}}


def test_a_file_that_includes_itself_ends(tmp_path):
    path = tmp_path / "vm.conf"
    path.write_text(f'include "{path}"\n', encoding="ascii")
    verdict = vmconf.read(str(path), Host())
    assert not verdict.is_good
    assert verdict.messages == [f"{path}:1: failed to include file {path}"]

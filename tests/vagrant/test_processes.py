# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task that has nothing to do costs: no Vagrant at all with libvirt, one at most elsewhere."""

from __future__ import annotations

import json
import uuid

import pytest

from vagrant.played import Played

NAMES = [f"many-{number:02}" for number in range(20)]
_MACHINE = """\
<domain type='test'><name>project_{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>128</memory><vcpu>1</vcpu>
  <os><type arch='i686'>hvm</type></os></domain>
"""


@pytest.fixture
def in_libvirt(tmp_path, monkeypatch):
    """Twenty machines of a project that run, in libvirt's own test driver."""
    played = Played(tmp_path, provider="libvirt")
    ids = {name: str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in NAMES}
    machines = "".join(_MACHINE.format(name=name, uuid=identifier) for name, identifier in ids.items())
    (tmp_path / "node.xml").write_text(f"<node>{machines}</node>", encoding="utf-8")
    for name, identifier in ids.items():
        folder = played.project / ".vagrant" / "machines" / name / "libvirt"
        folder.mkdir(parents=True)
        (folder / "id").write_text(identifier, encoding="ascii")
        # As the module leaves it after a start.
        note = {"v": 1, "id": identifier, "ssh": {"user": "vagrant", "key_file": "/key"}}
        (folder / "polyvirt.json").write_text(json.dumps(note), encoding="ascii")
    played.describe(NAMES)
    for name, value in {**played.environment(), "LIBVIRT_DEFAULT_URI": f"test://{tmp_path}/node.xml"}.items():
        monkeypatch.setenv(name, value)
    return played


def test_with_libvirt_no_vagrant_is_started(in_libvirt):
    run = in_libvirt.run(NAMES, state="started")
    assert (run.rc, run.result["changed"]) == (0, False), run.result
    assert [vm["state"] for vm in run.result["vms"]] == ["running"] * len(NAMES)
    assert [call.argv[0] for call in run.calls] == ["virsh"]


def test_nor_to_tell_about_them(in_libvirt):
    run = in_libvirt.run(None, about="vm_info")
    assert len(run.result["vms"]) == len(NAMES)
    assert [call.argv[0] for call in run.calls] == ["virsh"]


def test_elsewhere_one_vagrant_tells_of_all(played):
    played.describe(NAMES)
    assert played.vagrant.call("up").returncode == 0
    run = played.run(NAMES, state="started")
    assert (run.rc, run.result["changed"]) == (0, False), run.result
    assert [call.argv[1] for call in run.calls] == ["status"]


def test_what_was_never_started_is_asked_of_nobody(played):
    played.describe(NAMES)
    run = played.run(NAMES, state="stopped")
    assert (run.rc, run.result["changed"], run.calls) == (0, False, [])

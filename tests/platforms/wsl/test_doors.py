# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step destroys on a host with WSL has to be in its plan; the tool refuses everything else."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.verbs import Permit
from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits
from ansible_collections.polyvirt.core.plugins.module_utils._tools import wsl
from ansible_collections.polyvirt.core.plugins.module_utils._tools.windows_files import key_of, removal

from platforms.wsl.tasks import NEW, host_with_image, run, run_ok, state_of

ID, OTHER = "{11111111-1111-1111-1111-111111111111}", "{22222222-2222-2222-2222-222222222222}"
RAW = {"PSChildName": ID, "DistributionName": "web", "BasePath": "C:\\WSL\\web", "Flags": 15}
DISK = "C:\\WSL\\web\\ext4.vhdx"
PERMIT = Permit([(DISK, key_of(DISK))], frozenset({("vm", ID)}))


@pytest.mark.parametrize(
    "act",
    [
        lambda: wsl.wsl("wsl.exe", ["--unregister", "web"]),
        lambda: wsl.wsl("wsl.exe", ["--uninstall"]),
        lambda: wsl.wsl("wsl.exe", ["--export", "web", "C:\\images\\base.tar"]),
        lambda: wsl.unregister("wsl.exe", OTHER, {**RAW, "PSChildName": OTHER}),
        lambda: wsl.unregister("wsl.exe", ID, {**RAW, "BasePath": "D:\\theirs"}),
        lambda: wsl.unregister("wsl.exe", ID, {**RAW, "Flags": 7}),
        lambda: removal(["C:\\WSL\\other.polyvirt-clone.tar"]),
    ],
)
def test_call_that_destroys_what_no_plan_lists_is_not_made(act):
    with permits.granted(PERMIT), pytest.raises(Refused, match="plan of the task does not list"):
        act()


def test_call_of_a_plan():
    with permits.granted(PERMIT):
        assert wsl.unregister("wsl.exe", ID, RAW)["arguments"] == ["=--unregister", "=web"]
        assert removal([DISK])["with"]["LiteralPath"] == [f"={DISK}"]


def test_distribution_that_does_not_start_is_undone():
    host = host_with_image()
    before = state_of(host)
    host.knobs.create_vm_fails = True
    result = run(host, **NEW, state="started")
    assert (result["failed"], result["changed"], "0x8007023f" in result["msg"]) == (True, False, True), result["msg"]
    assert state_of(host) == before


@pytest.mark.parametrize("check", [True, False])
def test_export_to_the_temporary_file_of_a_clone_is_rejected(check):
    """The clone would overwrite it, and delete it at its end."""
    host = host_with_image()
    run_ok(host, **NEW)
    before = state_of(host)
    export = {"name": "web", "export": "C:\\WSL\\copy.polyvirt-clone.tar"}
    result = run(host, check=check, machines=[export, {"name": "copy", "clone": {"source": "web"}}])
    assert (result["failed"], "copy.polyvirt-clone.tar" in result["msg"]) == (True, True), result["msg"]
    assert state_of(host) == before

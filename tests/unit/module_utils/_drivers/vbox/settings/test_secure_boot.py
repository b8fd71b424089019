# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secure Boot, in the file with the variables of the UEFI firmware."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit.module_utils._drivers.vbox.in_process import SMALL, configure, observed, snapshot, task

UEFI = {**SMALL, "firmware": "uefi"}


def _secure_boot(vbox):
    return observed(vbox).config["secure_boot"]


@pytest.mark.parametrize("wanted", [True, False])
def test_new_vm_has_secure_boot_as_requested(vbox, wanted):
    asked = {**UEFI, "secure_boot": wanted}
    check = task(vbox, config=asked, check=True)
    done = configure(vbox, **asked)
    assert (check.outcome.diff, _secure_boot(vbox)) == (done.outcome.diff, wanted)


def test_secure_boot_is_switched(vbox):
    task(vbox, config=UEFI).succeeded()
    assert _secure_boot(vbox) is None
    for wanted in (True, False, True):
        assert task(vbox, config={"secure_boot": wanted}, check=True).changed
        configure(vbox, secure_boot=wanted)
        assert _secure_boot(vbox) is wanted


def test_existing_variables_are_kept(vbox):
    task(vbox, config={**UEFI, "secure_boot": False}).succeeded()
    done = task(vbox, config={"secure_boot": True}).succeeded()
    assert done.verbs == ["modifynvram"] * 3
    done = task(vbox, config={"firmware": "bios"}).succeeded()
    assert _secure_boot(vbox) is None
    done = task(vbox, config={"firmware": "uefi", "secure_boot": True}).succeeded()
    assert "inituefivarstore" not in str(done.calls)
    assert _secure_boot(vbox) is True


def test_lost_file_is_unknown_and_created_again(vbox):
    task(vbox, config={**UEFI, "secure_boot": True}).succeeded()
    Path(vbox.values()["NvramFile"]).unlink()
    assert task(vbox, config={"secure_boot": False}).succeeded().changed


def test_secure_boot_needs_uefi(vbox):
    for config in ({**SMALL, "secure_boot": True}, {**UEFI, "firmware": "bios", "secure_boot": True}):
        task(vbox, config=config).refused("secure_boot requires UEFI")
    configure(vbox, **SMALL, secure_boot=False)
    task(vbox, config={"secure_boot": True}).refused("Set firmware: uefi.")


def test_snapshot_brings_secure_boot_back(vbox):
    task(vbox, config={**UEFI, "secure_boot": True}).succeeded()
    snapshot(vbox, "s").succeeded()
    task(vbox, config={"secure_boot": False}).succeeded()
    check = snapshot(vbox, "s", state="restored", check=True)
    done = snapshot(vbox, "s", state="restored").succeeded()
    assert (check.outcome.diff, _secure_boot(vbox)) == (done.outcome.diff, True)

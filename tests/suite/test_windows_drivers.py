# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drivers for Windows Setup: the role takes them from a stand-in for virtio-win.iso, and leaves no directory behind."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from suite.limits import wait_until
from windows_guests.install_role import CREATION

pytestmark = pytest.mark.full


def _virtio_iso(folder, drivers):
    """An ISO image with the directories of virtio-win: one for each driver, version of Windows and architecture."""
    for name in drivers:
        for place in ("2k22/amd64", "2k25/amd64", "2k25/ARM64", "w11/amd64"):
            (folder / "virtio" / name / place).mkdir(parents=True)
            (folder / "virtio" / name / place / f"{name}.inf").write_text(place, encoding="utf-8")
    path = folder / "virtio-win.iso"
    command = ["xorriso", "-as", "mkisofs", "-quiet", "-o", path, "-J", "-r", folder / "virtio"]
    subprocess.run(command, check=True, capture_output=True)
    return path


def _tree(folder):
    """{path: text} of the files below a directory."""
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


def test_drivers_for_the_version_are_on_the_answer_medium(role):
    needed = ("vioscsi", "viostor", "NetKVM", "vioserial", "Balloon")
    virtio, media = _virtio_iso(role.folder, (*needed, "viogpudo")), role.folder / "media"
    own = media / f"{role.name}.answers"
    given = {"windows_virtio": str(virtio), "media_directory": str(media)}
    role.write_iso("polyvirt-step: winrm\n", then_off=False)
    code, output = role.run("--check", **given)
    assert (code, role.platform.all_names(), media.exists()) == (0, [], False), output
    code, output = role.run(timeout=1, **given)
    assert (code != 0, "it has not ended within 1 s" in output) == (True, True), output
    drivers = {f"{name}/{name}.inf": "2k25/amd64" for name in needed}
    role.drives()
    # The directory is deleted when the answer medium has them, so that no teardown leaves it behind.
    assert (_tree(role.folder / "cd" / "$WinPEDriver$"), own.exists()) == (drivers, False)
    record = Path(f"{media}/{role.name}.written").read_text(encoding="utf-8")
    assert str(own) not in record
    with role.console.open("a", encoding="utf-8") as log:
        log.write("polyvirt-installed\n")
    role.platform.virsh("destroy", role.name)
    role.write_disk()
    own.mkdir()  # The user creates one with the same name.
    code, output = role.run(**given)
    assert (code, "found complete" in output, role.media(), own.exists()) == (0, True, [], True), output
    code, output = role.run(**given)
    assert (code, "changed=0" in output) == (0, True), output


def test_directory_of_drivers_is_deleted_only_if_the_record_names_it(role):
    """One of the user is not; that of a run that was killed is."""
    virtio, media = (
        _virtio_iso(role.folder, ("vioscsi", "viostor", "NetKVM", "vioserial", "Balloon")),
        role.folder / "m",
    )
    own, given = media / f"{role.name}.answers", {"windows_virtio": str(virtio), "media_directory": str(media)}
    role.write_iso(then_off=False)
    own.mkdir(parents=True)
    code, output = role.run(**given)
    assert (code != 0, own.exists(), role.platform.all_names()) == (True, True, []), output
    assert f"unattended_install_media_directory: {own} exists, and was not written by an installation" in output
    own.rmdir()
    code, output, _done = role.run_until(kill_task=f"polyvirt.core.unattended_install : {CREATION}", **given)
    assert (code < 0, own.exists()) == (True, True), output
    wait_until(lambda: "polyvirt-installed" in role.console.read_text(), "the end of the installation")
    role.platform.virsh("destroy", role.name)
    role.write_disk()
    code, output = role.run(**given)
    assert (code, own.exists(), role.media()) == (0, False, []), output

# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that the user may not open: named before the first change, or with a remedy, and nothing is left half done."""

from __future__ import annotations

import pytest

from platforms.wsl.tasks import NEW, TAR, host_with_image, run, run_ok, run_rejected

OUT = "D:\\out"
STOPPED = {"name": ["web"]}
USES = {
    "start": {**STOPPED, "state": "started"},
    "size": {**STOPPED, "disks": [{"size": "2T"}]},
    "version": {**STOPPED, "version": 1},
    "clone": {"name": ["copy"], "clone": {"source": "web"}},
}


@pytest.fixture(name="host")
def _host():
    host = host_with_image()
    host.add("web")
    host.files.make(OUT)
    return host


def _rejected(host, *words, **options):
    """In check mode and without, before any change; and with rights, the same task does not fail."""
    for check in (True, False):
        run_rejected(host, "is not readable", "Give the user", *words, check=check, **options)
    assert host.writes() == []
    host.files.denied.clear()
    run_ok(host, **options)


@pytest.mark.parametrize("image", [TAR, "C:\\images\\base.wsl"])
def test_image_that_may_not_be_read(host, image):
    host.files.put(image, host.files.file(TAR))
    host.files.denied.add(image)
    _rejected(host, "new: image.source", image, name=["new"], image=image)


@pytest.mark.parametrize("use", USES)
def test_disk_that_may_not_be_opened(host, use):
    host.files.denied.add(host.find("web").disk)
    _rejected(host, host.find("web").disk, **USES[use])


def test_what_needs_no_disk_goes_on(host):
    host.files.denied.add(host.find("web").disk)
    assert run_ok(host, **STOPPED, description="x")["changed"]
    run_ok(host, **STOPPED, state="absent", delete_disks="all")


def test_distribution_that_runs_has_its_disk_open(host):
    run_ok(host, **STOPPED, state="started")
    host.files.denied.add(host.find("web").disk)
    assert run_ok(host, **STOPPED, systemd=True)["changed"]


@pytest.mark.parametrize(
    ("denied", "options"),
    [
        ("C:\\WSL", {**NEW, "name": ["new"]}),
        (OUT, {**STOPPED, "export": f"{OUT}\\web.tar"}),
        (OUT, {**STOPPED, "install_location": f"{OUT}\\web"}),
    ],
    ids=["creation", "export", "move"],
)
def test_directory_without_rights_leaves_nothing(host, denied, options):
    before = {name: (one.base, dict(one.files)) for name, one in host.distros.items()}
    host.files.denied.add(denied)
    result = run(host, **options)
    assert (result["failed"], "E_ACCESSDENIED" in result["msg"], "Give the user" in result["msg"]) == (True,) * 3
    assert {name: (one.base, dict(one.files)) for name, one in host.distros.items()} == before
    assert host.files.below(denied) == []


def test_reading_the_files_of_a_stopped_distribution_names_its_disk(host):
    host.files.denied.add(host.find("web").disk)
    result = run(host, **STOPPED, systemd=True)
    assert (result["failed"], host.writes()) == (True, [])
    assert host.find("web").disk in result["msg"]
    assert "make the user the owner" in result["msg"]

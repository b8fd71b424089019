# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a distribution and its export can be: what WSL or Windows would reject fails in check mode, too."""

from __future__ import annotations

import pytest

from platforms.wsl.tasks import TAR, host_with_image, run, run_ok, run_rejected

SHARE = "\\\\files\\wsl"
ROOT, ON_SHARE, NO_NAME = "is the root directory of a drive", "is on a share", "not possible on Windows"
TASKS = pytest.mark.parametrize(
    "task", [{"name": ["new"], "image": TAR}, {"name": ["new"], "clone": "one"}, {"name": ["one"]}],
    ids=["new", "clone", "moved"],
)  # fmt: skip


def _host():
    host = host_with_image(idle_seconds=1e9)
    host.files.make(f"{SHARE}\\sub")
    host.files.put(f"{SHARE}\\base.tar", host.files.file(TAR))
    run_ok(host, name=["one"], image=TAR, install_location="D:\\vms\\one")
    return host


def _rejected(host, *words, **options):
    before, files = list(host.writes()), dict(host.files.contents)
    for check in (True, False):
        result = run(host, check=check, **options)
        assert (result["failed"], result["changed"]) == (True, False)
        assert [word for word in words if word not in result["msg"]] == [], result["msg"]
    assert (host.writes(), host.files.contents) == (before, files)


@TASKS
@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("D:\\", (ROOT, "D:\\WSL\\NAME")),
        ("d:/", (ROOT,)),
        ("D:\\vms\\..", (ROOT,)),
        ("\\\\?\\D:\\", (ROOT,)),
        ("E:\\", (ROOT,)),
        ("E:\\vms", ("E:\\ does not exist",)),
        (SHARE, (ROOT,)),
        (f"{SHARE}\\sub", (ON_SHARE, "Set a directory on a drive")),
        ("\\\\?\\UNC\\files\\wsl\\sub", (f"{SHARE}\\sub", ON_SHARE)),
        ("\\\\wsl.localhost\\one\\srv", (ON_SHARE,)),
        ("D:\\what?", (NO_NAME, "'?'")),
        ("D:\\vms\\name.", (NO_NAME, "'.'")),
        ("D:\\vms \\name", (NO_NAME, "' '")),
        ("D:\\a:b", (NO_NAME, "':'")),
        ("\\\\.\\D:\\vms", ("not an absolute path",)),
    ],
)
def test_directory_that_wsl_cannot_use_is_rejected(task, location, words):
    _rejected(_host(), f"{task['name'][0]}: install_location", *words, **task, install_location=location)


@TASKS
@pytest.mark.parametrize("location", ["\\\\?\\D:\\vms\\two", "D:\\two", "D:\\vms\\größe 2\\two"])
def test_directory_that_wsl_can_use(task, location):
    host = _host()
    foreseen = run(host, check=True, **task, install_location=location)
    assert (foreseen["failed"], foreseen["changed"]) == (False, True), foreseen
    assert run_ok(host, **task, install_location=location)["changed"]
    assert host.find(task["name"][0]).base == location.removeprefix("\\\\?\\")
    assert not run_ok(host, **task, install_location=location)["changed"]


def test_location_of_an_existing_distribution_can_be_repeated():
    """Somebody has registered it there."""
    host = _host()
    for place in ("E:\\", SHARE):
        host.find("one").base = place
        result = run(host, name=["one"], install_location=place)
        assert (result["failed"], result["changed"]) == (False, False), result


@pytest.mark.parametrize("share", [SHARE, "\\\\other\\share"], ids=["exists", "missing"])
@pytest.mark.parametrize("option", ["image", "export"])
def test_share_that_the_connection_does_not_see_is_an_error_in_check_mode(option, share):
    host = _host()
    options = {"image": f"{share}\\base.tar"} if option == "image" else {"image": TAR, "export": f"{share}\\new.tar"}
    if share == SHARE:
        assert not run(host, check=True, name=["new"], **options)["failed"]
        assert run_ok(host, name=["new"], **options)["changed"]
    else:
        _rejected(host, f"new: {option}", "does not exist", "Double hop in docs/hyperv.md", name=["new"], **options)


@pytest.mark.parametrize("option", ["install_location", "export"])
def test_empty_path_is_rejected(option):
    run_rejected(_host(), f"{option}: it is empty", name=["new"], image=TAR, **{option: ""})


def test_first_distribution_is_the_default_one():
    """With another one that is created in the same task, it is not the only one."""
    host = host_with_image(idle_seconds=1e9)
    words = ("new: default: WSL makes the first distribution", "Omit default")
    _rejected(host, *words, name=["new"], image=TAR, default=False)
    two = [{"name": "one", "default": True}, {"name": "new", "default": False}]
    assert not run(host, check=True, machines=two, image=TAR)["failed"]
    run_ok(host, machines=two, image=TAR)
    assert not run_ok(host, machines=two, image=TAR)["changed"]
    assert not run(_host(), check=True, name=["new"], image=TAR, default=False)["failed"]

# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that makes a machine is killed: what it leaves can be completed, and removed just as well."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.driver import make_driver
from ansible_collections.polyvirt.core.plugins.module_utils._info import look_around
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import Step, Target

from virtualbox.noted import MIB, SMALL, InProcess, Noting, task

TWO_DISKS = {**SMALL, "disks": {"#0": {}, "#1": {"size": 2 * MIB}}}
_READS = {"--version", "list", "showvminfo", "showmediuminfo", "guestproperty"}


class Killed(BaseException):
    """As SIGKILL would: nobody catches it."""


def killed_after(commands_of, number):
    """Calls of VBoxManage of which the one that changes something for the ``number``-th time is the last."""

    class Commands(commands_of):
        left = number

        def run(self, argv, **options):
            done = super().run(argv, **options)
            if argv[0].endswith("VBoxManage") and not _READS & set(argv[1:]):
                self.left -= 1
                if self.left == 0:
                    raise Killed
            return done

    return Commands


def is_killed(box, commands, **more):
    try:
        task(box, commands=commands, **more).well()
    except Killed:
        return True
    return False


def standing(box):
    return box.run("list", "vms"), box.run("list", "hdds"), sorted(map(str, box.machines.rglob("*")))


def prepared(box):
    """A base machine with a snapshot, and an image that VirtualBox does not know; the tasks that use them."""
    task(box, "base").well()
    task(box, "base", snapshot={"name": "s"}).well()
    image = box.folder / "image.vdi"
    box.run("createmedium", "disk", "--filename", image, "--size", "2")
    box.run("closemedium", "disk", image)
    linked, full = ({"source": "base", "linked": linked, "snapshot": "s"} for linked in (True, False))
    return {
        "made": {"config": TWO_DISKS, "image": {"source": str(image), "linked": False}},
        "linked clone": {"config": {"memory": 20 * MIB}, "clone": linked},
        "full clone": {"config": {"memory": 20 * MIB}, "clone": full},
    }


@pytest.mark.parametrize("way", ["made", "linked clone", "full clone"])
def test_after_every_call_it_can_be_removed(played, way):
    more, before = prepared(played)[way], standing(played)
    for number in range(1, 99):
        commands = killed_after(InProcess, number)(played)
        if not is_killed(played, commands, **more):
            break
        task(played, state="absent", commands=InProcess(played)).well()
        assert standing(played) == before, commands.calls[-1]
    assert number > 3


@pytest.mark.parametrize("way", ["made", "linked clone", "full clone"])
@pytest.mark.parametrize("number", [1, 3])
def test_a_real_one_goes_as_well(box, way, number):
    more, before = prepared(box)[way], standing(box)
    assert is_killed(box, killed_after(Noting, number)(), **more)
    assert task(box, state="absent", check=True).well().outcome.changed
    assert task(box, state="absent").well().outcome.changed
    assert standing(box) == before
    assert not task(box, state="absent").well().outcome.changed


def test_it_is_told_and_completed(played):
    more = prepared(played)["made"]
    assert is_killed(played, killed_after(InProcess, 2)(played), **more)
    driver = make_driver({"executable": str(played.executable)})
    (found,) = look_around(driver, {"name": ["web"]})["vms"]
    assert (found["state"], found["reason"].partition(":")[0]) == ("stopped", "unfinished")
    assert task(played, **more).well().vm["id"] == found["id"]
    assert look_around(driver, {"name": ["web"]})["vms"][0]["reason"] == ""


def test_what_another_task_completes_meanwhile_stays(played):
    more = prepared(played)["made"]
    assert is_killed(played, killed_after(InProcess, 2)(played), **more)

    driver = make_driver({"executable": str(played.executable)})
    (planned,) = driver.observe([Target(name="web")], frozenset({"power", "config", "unfinished"})).vms
    task(played, commands=InProcess(played), **more).well()
    with pytest.raises(Refused, match="web: another task has completed it meanwhile"):
        driver.apply([(planned, (Step("delete"),))])
    assert not task(played, **more).well().outcome.changed

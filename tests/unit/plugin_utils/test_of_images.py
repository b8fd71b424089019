# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task of the modules about images runs where the modules of its platform run, with the defaults of its group."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import ActionBase
from ansible_collections.polyvirt.core.plugins.modules import image, image_info
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.of_images import ImageAction

from platforms.hyperv.double.host import HyperV


class Action(ImageAction):
    """An action plugin as Ansible creates it, on the controller."""

    def __init__(self, module, args, defaults=(), **task):
        self.module = module.MODULE
        common = {"async_val": 0, "check_mode": False, "delegate_to": None, "diff": False, "no_log": False}
        super().__init__(
            task=SimpleNamespace(
                **{**common, **task},
                args=args,
                module_defaults=defaults,
                environment=[],
                action="image",
                get_name=lambda: "Fetch",
            ),
            connection=SimpleNamespace(
                transport="local",
                become=None,
                connected=True,
                reset=lambda: None,
                # A plugin without options raises it.
                get_options=dict,
                _shell=SimpleNamespace(
                    tmpdir=None, env_prefix=lambda **words: "", _IS_WINDOWS=args.get("platform") == "hyperv"
                ),
            ),
            play_context=None,
            loader=DataLoader(),
            templar=SimpleNamespace(template=lambda value: value),
            shared_loader_obj=None,
        )

    def done(self, **variables):
        return self.run(task_vars=variables)

    @property
    def given(self):
        return self._task.args


@pytest.fixture(name="host")
def _host(monkeypatch):
    """A Windows host at the other end of the connection."""
    host = HyperV()

    def execute(self, module_name, module_args, task_vars):
        assert module_name == "polyvirt.core.windows_calls"
        return {"changed": False, "answer": json.loads(host.windows.answer(module_args["request"]))}

    monkeypatch.setattr(ActionBase, "_execute_module", execute)
    return host


@pytest.fixture(autouse=True)
def _no_account(monkeypatch):
    monkeypatch.setenv("POLYVIRT_IMAGE_DIRECTORY", "/srv/images")
    for name in ("PROXMOX_HOST", "PROXMOX_USER"):
        monkeypatch.delenv(name, raising=False)


def test_images_of_hyperv_are_those_of_the_windows_host(host):
    result = Action(image_info, {"platform": "hyperv"}).done(polyvirt_image_directory="D:\\images")
    assert (result["directory"], result["images"]) == ("D:\\images", [])
    assert host.log


def test_environment_variable_is_not_the_directory_of_the_windows_host(host):
    result = Action(image_info, {"platform": "hyperv"}).done()
    assert result["directory"] == "C:\\ProgramData\\polyvirt\\images"


def test_wrong_option_on_a_windows_host_is_an_error(host):
    result = Action(image, {"platform": "hyperv", "name": "debian-13", "price": "absent"}).done()
    assert (result["failed"], result["msg"].partition(": ")[0]) == (True, "Unsupported parameters for (image) module")
    assert not host.log


def test_asynchronous_task_on_a_windows_host_is_an_error(host):
    with pytest.raises(AnsibleActionFail, match="async"):
        Action(image_info, {"platform": "hyperv"}, async_val=60).done()


def test_cluster_has_no_directory_for_images():
    action = Action(image_info, {"platform": "proxmox"})
    assert action.done(polyvirt_image_directory="/srv/other")["msg"].startswith("api_host is not set.")
    assert action.libraries == ("proxmoxer", "requests")
    assert "image_directory" not in action.given


def test_defaults_of_the_group_of_the_platform_apply():
    group = {"api_host": "me@pve", "api_user": "me", "storage": "fast", "bridge": "vmbr1"}
    defaults = [{"group/polyvirt.core.proxmox": group, "group/polyvirt.core.libvirt": {"uri": "qemu:///session"}}]
    action = Action(image_info, {"platform": "proxmox", "api_host": "pve1"}, defaults)
    assert action.done()["msg"].startswith("api_user: 'me' has no realm.")
    assert action.given == {"platform": "proxmox", "api_host": "pve1", "api_user": "me"}


def test_platform_with_a_directory_runs_here():
    result = Action(image_info, {"platform": "libvirt", "executable": "/nowhere"}).done()
    assert (result["directory"], result["images"]) == ("/srv/images", [])

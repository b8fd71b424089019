# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""User data that cloud-init could not use is rejected: the VM would have no user, and only its console would say so."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import VM
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.user_data import user_data

from unit.tables.rows import ask

SECRET = "hush-hush"
_JINJA = "## template: jinja\n#cloud-config\n{% if 1 %}\na: {{ v1.b }}\n{% endif %}"
USABLE = [
    *(f"#cloud-config\npassword: {SECRET}\n", "#Cloud-Config\n", "\n#cloud-config\n", "#cloud-config\n# nothing\n"),
    *("#!/bin/sh\necho 'a: b: c'\n", "#include\nhttps://x/y\n", _JINJA, "#ps1_sysnative\ndir\n", "rem cmd\r\ndir\r\n"),
    *(
        "Content-Type: multipart/mixed; boundary=x\nMIME-Version: 1.0\n",
        "#cloud-config-archive\n- type: x\n",
        "",
        " \n",
    ),
]
UNUSABLE = [
    *((path, "the name of a file") for path in ("/srv/user-data", "~/u", "./u", "user-data.yml", "a.cfg", " x.yaml\n")),
    (f"password: {SECRET}\n", "its first line is not the header"),
    (f"# cloud-config\npassword: {SECRET}\n", "its first line is not the header"),
    (f"#cloud-config\nusers:\n\t- name: {SECRET}\n", "line 3 is not valid YAML: it contains a tab"),
    (f"#cloud-config\npassword: {SECRET}: 1\n", "line 2 is not valid YAML."),
    (f"#cloud-config\nusers: [{SECRET}\n", "is not valid YAML."),
    (f"#cloud-config\n- {SECRET}\n", "the text below #cloud-config is not a dictionary"),
    (f"#cloud-config\n{SECRET}\n", "the text below #cloud-config is not a dictionary"),
]


@pytest.mark.parametrize("text", USABLE)
def test_text_that_cloud_init_can_use_is_accepted(text):
    assert ask(cloud_init={"user_data": text}).creation["cloud_init"]["user_data"] == text


@pytest.mark.parametrize("value", [{"packages": ["vim"]}, {}, ["a"], 5, None, True])
def test_what_is_no_text_is_judged_by_the_seed(value):
    assert user_data(value, "cloud_init.user_data") is value


@pytest.mark.parametrize(("text", "reason"), UNUSABLE)
def test_text_that_cloud_init_cannot_use_is_rejected_and_not_shown(text, reason):
    with pytest.raises(InvalidInput) as raised:
        ask(cloud_init={"user_data": text})
    assert str(raised.value).startswith("cloud_init.user_data: ")
    assert reason in str(raised.value)
    assert SECRET not in str(raised.value)
    assert raised.value.remedy


def test_each_platform_checks_user_data():
    assert VM["cloud_init"].options["user_data"].normalize is user_data

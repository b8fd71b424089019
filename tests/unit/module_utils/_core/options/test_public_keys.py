# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of ssh_authorized_keys are public keys."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import VM
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests

PLAIN = {name: option.default for name, option in VM.items()}
KEY = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'A' * 43}"


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("/root/.ssh/id_ed25519.pub", "a path"),
        ("~/.ssh/id_ed25519.pub", "a path"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "not a public key"),
        (f"{KEY}\nsecret", "not a public key"),
        ("ssh-rsa AAAA me", "not a public key"),
        (KEY.replace("ed25519", "rsa"), "not a public key"),
        ("", "not a public key"),
        (KEY[:-1], "a public key that is not complete"),
        (KEY[:-4], "a public key that is not complete"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "a public key that is not complete"),
        (f"{KEY}\n{KEY[:40]}", "a public key that is not complete"),
    ],
)
def test_text_with_which_nobody_could_log_in_is_rejected_and_not_shown(entry, what):
    params = {**PLAIN, "name": ["web"], "cloud_init": {"ssh_authorized_keys": [KEY, entry]}}
    with pytest.raises(InvalidInput, match=f"cloud_init.ssh_authorized_keys: entry 2 is {what}") as error:
        requests(params, VM)
    assert entry == "" or entry not in str(error.value)


@pytest.mark.parametrize("key", [KEY, f"{KEY} a comment", f'from="10.0.0.1",restrict {KEY} a b', f" {KEY} "])
def test_public_key_may_have_options_and_a_comment(key):
    (request,) = requests({**PLAIN, "name": ["web"], "cloud_init": {"ssh_authorized_keys": [key]}}, VM)
    assert request.creation["cloud_init"]["ssh_authorized_keys"] == (key.strip(),)

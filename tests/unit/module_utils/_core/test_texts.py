# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts and IDs in the form in which a platform prints them."""

from __future__ import annotations

import re

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import VM
from ansible_collections.polyvirt.core.plugins.module_utils._core.texts import (
    bare_uuid,
    decimal_id,
    harmless,
    is_harmless,
    printable,
)
from hypothesis import given
from hypothesis import strategies as st

UUID = "706f6c79-7669-4a5b-8c9d-0123456789ab"


def test_line_ends_of_windows_and_of_linux_are_the_same_text():
    assert printable("one\r\ntwo\rthree\n\tfour ü \U0001f600", "description") == "one\ntwo\nthree\n\tfour ü \U0001f600"


@pytest.mark.parametrize("tag", ["", " ", "a\nb", "a\n", "\x1b"])
def test_tag_is_one_line_of_text(tag):
    assert VM["tags"].normalize(["a b", "ü"], "tags") == ["a b", "ü"]
    with pytest.raises(InvalidInput, match=f"tags: ({re.escape(repr(tag))} is not one line|it contains the control)"):
        VM["tags"].normalize(["a", tag], "tags")


@pytest.mark.parametrize("option", ["tags", "owner", "fleet"])
@pytest.mark.parametrize("text", [" blue", "blue ", "\tblue"])
def test_outer_spaces_are_rejected(option, text):
    """Ansible leaves the space in ``tags: red, blue``, and the team " blue" would be another one than "blue"."""
    value = ["red", text] if option == "tags" else text
    with pytest.raises(InvalidInput, match=f"{option}: '{text}' begins or ends with a space"):
        VM[option].normalize(value, option)


@pytest.mark.parametrize("text", [UUID, UUID.upper(), f"{{{UUID}}}", f" {UUID.upper()} "])
def test_every_spelling_of_a_uuid(text):
    assert bare_uuid(text) == UUID


@pytest.mark.parametrize("text", ["/vms/web.vmx", "ABC", f"{UUID}0", ""])
def test_other_ids_remain_as_they_are(text):
    assert (bare_uuid(text), decimal_id(text)) == (text, text)


@pytest.mark.parametrize("text", ["102", "0102", " 102 "])
def test_every_spelling_of_a_number(text):
    assert decimal_id(text) == "102"


@pytest.mark.parametrize(
    "text", ["", "running", "web_1.example.com:22", "ann+vms@example.com", "/srv/a b-c", "Büro 東京 7"]
)
def test_plain_words_are_harmless(text):
    assert is_harmless(text)
    assert harmless(text) == text


@pytest.mark.parametrize("character", "{}<>[]()#%!$&*'\"`\\|;,?=^~\n\r\t\0\u2028")
def test_whatever_a_template_could_need_is_not_harmless(character):
    assert not is_harmless(f"a{character}")
    assert harmless(f"a{character}b") == "a_b"


@given(st.text())
def test_any_text_is_made_harmless(text):
    assert is_harmless(harmless(text))
    assert len(harmless(text)) == len(text)

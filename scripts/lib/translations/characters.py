# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which letters a language is written with, and which Chinese characters belong to one of the two ways of writing."""

from __future__ import annotations

import re
import unicodedata

#: Characters that exist in the standard of traditional characters for rare words, but are written in simplified texts
#: for another, common one: 后 for 後, 云 for 雲.
_SIMPLIFIED_TOO = set("后云么机网无与万个从价优体号几")
#: Quotes that ansible-test rejects in any file. Sphinx writes them, those of the language, from the ones of a keyboard.
_STRAIGHT = str.maketrans({**dict.fromkeys("\u2018\u2019", "'"), **dict.fromkeys("\u201c\u201d\u201e", '"')})
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")


def straight(text):
    """Return a text with the quotes and apostrophes of a keyboard."""
    return text.translate(_STRAIGHT)


def has_letters(text, letters):
    """Whether a text has a letter of this range."""
    return re.search(f"[{letters}]", text) is not None


def foreign_characters(text, code):
    """Return the characters that only the other way of writing Chinese has.

    The national standards tell: GB 2312 has the simplified characters, Big5 the traditional ones.
    """
    if code == "zh_CN":
        return [one for one in _HAN.findall(text) if _is_in(one, "big5") and not _is_in(one, "gb2312")]
    if code == "zh_TW":
        return [one for one in _HAN.findall(text) if one in _SIMPLIFIED_TOO or _is_only_simplified(one)]
    return []


def _is_only_simplified(character):
    return _is_in(character, "gb2312") and not _is_in(character, "big5")


def _is_in(character, standard):
    try:
        character.encode(standard)
    except UnicodeEncodeError:
        return False
    return True


def width(text):
    """Return the number of columns of a text: a Chinese character takes two, a mark above or below a letter none."""
    return sum(_columns(one) for one in text)


def _columns(character):
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def folded(text):
    """Return a text as it is compared: without case, without vowel marks of Arabic, with plain spaces and hyphens."""
    text = re.sub("[\u0640\u064b-\u0652\u200b-\u200f\u2066-\u2069\u00ad]", "", unicodedata.normalize("NFC", text))
    return re.sub(r"\s+", " ", text.replace("\u2011", "-")).casefold()

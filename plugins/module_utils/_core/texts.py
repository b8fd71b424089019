# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that users write, and IDs, in the form in which every platform can store and print them."""

from __future__ import annotations

import re
from hashlib import sha256

from .errors import InvalidInput
from .pattern import Pattern

#: The scheme of an address, and the user name and password in it. A checksum can be sha256: and an address.
_CREDENTIALS = Pattern("((?:sha[0-9]+:)?[A-Za-z][A-Za-z0-9+.-]*://)([^/?#]*)@")
#: An address, and what follows its path. The digest is what records have of the rest, which can be a signature.
_QUERY = Pattern(r"((?:sha[0-9]+:)?[A-Za-z][A-Za-z0-9+.-]*://[^?#]*)[?#](?!query-[0-9a-f]{12}\Z)(.+)", re.DOTALL)
#: Everything that XML 1.0 cannot contain: VirtualBox and libvirt store texts in it.
_NOT_PRINTABLE = Pattern("[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
#: Control characters but tab and line feed, and those that change the direction of what follows.
_UNSEEN = Pattern("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
#: Whatever a template of Ansible may need: its first line can set other delimiters than braces.
_HARMFUL = Pattern(r"[^\w .:/@+-]")
_UUID = Pattern(r"\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?", re.IGNORECASE | re.ASCII)

#: Names of the snapshots of guarded runs. Proxmox VE permits 40 characters: letters, digits, - and _.
PURPOSE_LENGTH = 11
GUARDED = Pattern(rf"guarded-([a-z0-9-]{{1,{PURPOSE_LENGTH}}})-(?:job\d+|\d{{8}}-\d{{6}}-[0-9a-f]{{4}})")


def removal(option, slot):
    """Return how a task removes a disk or an optical drive; ``state: absent`` alone would be that of the VM."""
    return f"{option}: [{{slot: {slot}, state: absent}}]"


def printable(text, option):
    """Return a text with the line ends of Linux; raises InvalidInput if it has control characters."""
    check_printable(text, option)
    return with_plain_line_ends(text)


def with_plain_line_ends(text):
    """Return a text with line feeds only."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def check_printable(text, option):
    """Raise InvalidInput if a text has control characters."""
    found = _NOT_PRINTABLE.search(text)
    if found:
        raise InvalidInput(
            f"{option}: it contains the control character {found[0]!a}.",
            "Remove it: a text can have printable characters, tabs and line breaks.",
        )


def one_line_each(texts, option):
    """Return the texts; raises InvalidInput if one is empty, has several lines, control characters or outer spaces."""
    for text in texts:
        _check_one_line(text, option, "Set one line of text for each.")
    return texts


def one_line(text, option):
    """Return a text, which may be empty; raises InvalidInput for the same reasons."""
    if text:
        _check_one_line(text, option, "Set one line of text.")
    return text


def _check_one_line(text, option, remedy):
    check_printable(text, option)
    if not text.strip() or text.splitlines() != [text]:
        raise InvalidInput(f"{option}: {text!r} is not one line of text.", remedy)
    if text != text.strip():
        raise InvalidInput(f"{option}: '{text}' begins or ends with a space.", "Remove it.")


def texts_of(value):
    """Return all texts and numbers in ``value`` as texts, without the whitespace around them."""
    if isinstance(value, dict):
        return [text for part in value.values() for text in texts_of(part)]
    if isinstance(value, (list, tuple)):
        return [text for part in value for text in texts_of(part)]
    return [] if value is None or isinstance(value, bool) else [str(value).strip()]


def without_credentials(address):
    """Return an address without user name and password; any other text as it is."""
    match = _CREDENTIALS.match(address)
    return match[1] + address[match.end() :] if match else address


def without_secrets(address):
    """Return an address without user name and password, and with a digest of its query; any other text as it is.

    Two addresses that differ in their query can be of two files, so the texts differ, too.
    """
    address = without_credentials(address)
    match = _QUERY.fullmatch(address)
    if not match:
        return address
    digits = sha256(match[2].encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return f"{match[1]}?query-{digits}"


def password_in(address):
    """Return the password in an address as it is written, or an empty string."""
    match = _CREDENTIALS.match(address)
    return match[2].partition(":")[2] if match else ""


def visible(text):
    """Return a text for people, in which characters that are not seen, but change what is, are numbers: ``\\u202e``."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def bare_uuid(text):
    """Return a UUID in lower case and without braces; any other ID as it is."""
    match = _UUID.fullmatch(text.strip())
    return match[1].lower() if match else text


def decimal_id(text):
    """Return a decimal ID without leading zeros and spaces; any other ID as it is."""
    digits = text.strip()
    return str(int(digits)) if digits.isascii() and digits.isdigit() else text


def is_harmless(text):
    """Return whether a text cannot be a template of Ansible: one line of letters, digits, spaces and ``._:/@+-``."""
    return not _HARMFUL.search(text)


def harmless(text):
    """Return ``text`` so that it is no template of Ansible, for places where no text can be marked as unsafe."""
    return _HARMFUL.sub("_", text)

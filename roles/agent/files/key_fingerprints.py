# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the fingerprint of every primary key in a file of OpenPGP public keys.

Runs in the guest, where gpg may be missing. Anything out of the ordinary is an error: another reader of the file
might find a key in it that was not seen here.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys

PUBLIC_KEY = 6
# Signature, public subkey, user id, user attribute.
COMPANIONS = (2, 14, 13, 17)
ARMOR = re.compile(
    rb"\s*-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[!-~]+: [^\n]*\n)*\s*?\n"
    rb"([A-Za-z0-9+/=\s]+?)(?:\n=[A-Za-z0-9+/]{4})?\s*-----END PGP PUBLIC KEY BLOCK-----\s*"
)


def without_armor(data):
    if b"-----BEGIN" not in data:
        return data
    armor = ARMOR.fullmatch(data)
    if not armor:
        raise ValueError("it is not one armored block of public keys")
    return base64.b64decode(b"".join(armor.group(1).split()), validate=True)


def header(data, at):
    """The tag of the packet that begins here, where its body begins, and where that ends."""
    first = data[at]
    if first & 0xC0 == 0xC0:
        size = data[at + 1]
        if size < 192:
            return first & 0x3F, at + 2, at + 2 + size
        if size < 224:
            return first & 0x3F, at + 3, at + 3 + ((size - 192) << 8) + data[at + 2] + 192
        if size == 255:
            return first & 0x3F, at + 6, at + 6 + int.from_bytes(data[at + 2 : at + 6], "big")
    elif first & 0x80 and first & 3 != 3:
        begin = at + 1 + (1, 2, 4)[first & 3]
        return (first & 0x3C) >> 2, begin, begin + int.from_bytes(data[at + 1 : begin], "big")
    raise ValueError("it holds something that is no public key")


def fingerprint(body):
    if body[:1] == b"\x04":
        # The standard leaves no other choice; where SHA-1 is forbidden, the last word lets it through.
        prefixed = b"\x99" + len(body).to_bytes(2, "big") + body
        return hashlib.sha1(prefixed, usedforsecurity=False).hexdigest().upper()
    if body[:1] == b"\x06":
        return hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    raise ValueError("it holds a key of an unknown version")


def fingerprints(data):
    found = []
    at = 0
    while at < len(data):
        tag, begin, end = header(data, at)
        if end > len(data) or tag not in (PUBLIC_KEY, *COMPANIONS):
            raise ValueError("it holds something that is no public key, or is cut off")
        if tag == PUBLIC_KEY:
            found.append(fingerprint(data[begin:end]))
        at = end
    return found


def main():
    try:
        with open(sys.argv[1], "rb") as file:
            sys.stdout.write("\n".join(fingerprints(without_armor(file.read()))))
    except (OSError, ValueError, IndexError) as error:
        sys.exit(str(error) or "it is cut off")


if __name__ == "__main__":
    main()

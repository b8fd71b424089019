# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create password hashes for installers: sha512crypt for Linux, bcrypt for OpenBSD, an encoding for Windows.

The hash is calculated by the controller's libcrypt (libxcrypt, or the C library of musl), which most Linux systems
have. Elsewhere the Python packages passlib (sha512crypt) and bcrypt are used. Python's own module crypt was removed
in Python 3.13.
"""

from __future__ import annotations

import base64
import ctypes
import ctypes.util
import hashlib

_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2")
_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#: A bcrypt salt has 128 bits in 22 letters of 6 bits; the last letter encodes only two bits.
_BCRYPT_ALPHABET, _BCRYPT_LAST_LETTERS = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", ".Oeu"
_BCRYPT_BYTES = 72
_COST, _ROUNDS = 10, 100_000


class CannotHash(Exception):
    """There is no library for this hash, or it does not support the password."""


def sha512crypt(password, salt, rounds=_ROUNDS):
    """Return the hash ``$6$rounds=...$salt$...``; the salt has up to 16 characters of ``./0-9A-Za-z``."""
    setting = f"$6$rounds={rounds}${salt}"
    return _from_libcrypt(password, setting) or _from_passlib(password, salt, rounds)


def bcrypt(password, salt, cost=_COST):
    """Return the hash ``$2b$cost$...``; the salt has 22 characters of bcrypt's alphabet."""
    if len(password.encode()) > _BCRYPT_BYTES:
        raise CannotHash(f"bcrypt ignores all but the first {_BCRYPT_BYTES} bytes of a password. Use a shorter one.")
    setting = f"$2b${cost:02d}${salt}"
    return _from_libcrypt(password, setting) or _from_bcrypt(password, setting)


def windows_value(password, element):
    """Return the value of a password in autounattend.xml: an encoding, from which anyone can read the password.

    ``element`` is the name of the element around it, which Windows Setup appends to the password.
    """
    return base64.b64encode(f"{password}{element}".encode("utf-16-le")).decode()


def salt_from(seed, kind):
    """Return a salt that is the same for the same seed, so that a second run writes the same file.

    It does not depend on the password, because a fast hash of the password must not appear in a file.
    """
    digest = hashlib.sha256(f"polyvirt.core {seed}".encode()).digest()
    if kind == "bcrypt":
        letters = [_BCRYPT_ALPHABET[byte % 64] for byte in digest[:21]]
        return "".join(letters) + _BCRYPT_LAST_LETTERS[digest[21] % 4]
    return "".join(_ALPHABET[byte % 64] for byte in digest[:16])


def _from_libcrypt(password, setting):
    """Return the hash, or None if libcrypt is missing or does not support this kind of hash."""
    for name in (*_LIBRARIES, ctypes.util.find_library("crypt")):
        try:
            crypt = ctypes.CDLL(name).crypt
        except (OSError, AttributeError):
            continue
        crypt.restype, crypt.argtypes = ctypes.c_char_p, [ctypes.c_char_p, ctypes.c_char_p]
        found = (crypt(password.encode(), setting.encode()) or b"").decode("ascii", "replace")
        # For an unknown kind, libcrypt returns "*0" or a hash of an old kind.
        if found.startswith(setting[:4]) and len(found) > len(setting):
            return found
    return None


def _from_passlib(password, salt, rounds):
    try:
        from passlib.hash import sha512_crypt  # Needed only on a few controllers.
    except ImportError:
        raise CannotHash(
            "The controller has no libcrypt that knows sha512crypt. Install the Python package passlib for Ansible."
        ) from None
    # passlib omits the number of rounds from the hash if it is the default; the hash is equivalent.
    return sha512_crypt.using(salt=salt, rounds=rounds).hash(password)


def _from_bcrypt(password, setting):
    try:
        import bcrypt as library  # Needed only on a few controllers.
    except ImportError:
        raise CannotHash(
            "The controller has no libcrypt that knows bcrypt. Install the Python package bcrypt for Ansible."
        ) from None
    return library.hashpw(password.encode(), setting.encode()).decode()

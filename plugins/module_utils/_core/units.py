# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse and print sizes, MAC addresses and VLANs. ``2G``, ``2GB`` and ``2GiB`` all mean 2 to the power of 31 bytes."""

from __future__ import annotations

import re

from .errors import InvalidInput, Refused
from .pattern import Pattern

_CHECKSUM = Pattern(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}", re.ASCII)
_VLANS = Pattern(r"(\d{1,4})(?:-(\d{1,4}))?", re.ASCII)
_LAST_VLAN = 4094
_SERIAL = Pattern(r"[A-Za-z0-9_.+&() -]+")
_MAC = Pattern(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", re.ASCII)
KIB, MIB, GIB = 1024, 1024**2, 1024**3
_EXPONENTS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_SIZE = Pattern(r"\s*(\d+(?:\.\d+)?)\s*(?:([KMGTP])(?:iB|B)?|B)?\s*", re.IGNORECASE | re.ASCII)


def parse_size(text, option, bare=None, least=0, zero=False):
    """Return the bytes of a size text; ``bare`` is the factor of a number without a unit (None: not allowed).

    ``least`` is the least number without a unit: ``memory: 2`` means 2 GiB to its author, not 2 MiB. ``zero``: 0 is
    allowed.
    Raises InvalidInput, which names ``option``.
    """
    match = _SIZE.fullmatch(str(text))
    if not match:
        raise InvalidInput(f"{option}: '{text}' is not a size.", "Set a number and a unit, such as 512M, 20G or 1TiB.")
    number, prefix = match[1], match[2]
    has_unit = not str(text).strip()[-1].isdigit()
    if not has_unit and bare is None:
        raise InvalidInput(f"{option}: '{text}' has no unit.", f"Set {text}G for GiB, {text}M for MiB.")
    if not has_unit and (0, 0) < _times(number, 1) < (least, 0):
        raise InvalidInput(
            f"{option}: {text} without a unit is {human_size(_times(number, bare)[0])}.",
            f"Set {text}G for GiB, {text}M for MiB.",
        )
    factor = 1024 ** _EXPONENTS[(prefix or "").upper()] if has_unit else bare
    size, rest = _times(number, factor)
    if rest or size < 0 or (size == 0 and not zero):
        raise InvalidInput(
            f"{option}: '{text}' is not a whole, positive number of bytes.",
            "Set a size above zero in whole bytes, such as 512M or 20G.",
        )
    return size


def _times(number, factor):
    """Return a decimal number times an integer, exactly: (whole bytes, what remains)."""
    whole, _point, part = number.partition(".")
    return divmod(int(whole + part) * factor, 10 ** len(part))


def human_size(size):
    """Return the shortest exact text for a number of bytes: 2147483648 is ``2G``."""
    for prefix in "PTGMK":
        unit = 1024 ** _EXPONENTS[prefix]
        if size and size % unit == 0:
            return f"{size // unit}{prefix}"
    return f"{size}B"


def rounded_up(size):
    """Return the text for a number of bytes in a unit in which it has few digits: 412M."""
    unit = _few_digits(size)
    return human_size(-(-size // unit) * unit)


def rounded_down(size):
    unit = _few_digits(size)
    return human_size(size // unit * unit)


def _few_digits(size):
    return GIB if size >= 10 * GIB else MIB if size >= MIB else 1


def too_little_space(about, needed, place, free, alternative, purpose="", others=""):
    """Return the error if ``place`` has only ``free`` of the ``needed`` bytes.

    ``alternative`` is what the user can do instead of freeing space. ``purpose`` and ``others`` are further parts of
    the sentence: for what they are needed, and what takes space, too.
    """
    return Refused(
        f"{about}: {rounded_up(needed)} are needed{purpose}, but {place} has only {rounded_down(free)} of free"
        f" space{others}.",
        f"Free some space there, or {alternative}.",
    )


def is_size(path):
    """Return whether the value at an option's path is a size in bytes: its name ends in "memory" or "size".

    ``bandwidth_limit`` is one per second.
    """
    name = path.rsplit(".", 1)[-1]
    is_named_so = name == "bandwidth_limit" or name.rsplit("_", 1)[-1] in ("memory", "size")
    return is_named_so and not path.startswith("native.")


def serial_number(text, option):
    """Return the serial number of a disk, in the characters that libvirt accepts."""
    if not _SERIAL.fullmatch(text):
        raise InvalidInput(
            f"{option}: '{text}' is not a serial number.", "Set letters, digits, dots, hyphens and underscores."
        )
    return text


def checksum(text, option):
    """Return a checksum such as sha256:DIGITS in lower case; raises InvalidInput."""
    if _CHECKSUM.fullmatch(text.lower()) is None:
        raise InvalidInput(f"{option}: '{text}' is not a checksum.", "Write it as sha256:DIGITS or sha512:DIGITS.")
    return text.lower()


def file_or_address(text, option):
    """Return an absolute path, or an address of HTTP; raises InvalidInput for another text."""
    if not text.startswith(("/", "http://", "https://")):
        raise InvalidInput(
            f"{option}: '{text}' is not an absolute path.",
            "Set the full path of the file on the host of the task, or its address (https://...).",
        )
    return text if "://" in text else text.rstrip("/") or text


def mac_address(text, option):
    """Return a MAC address in lower case with colons; hyphens or no separators are also accepted."""
    digits = re.sub("[-:]", "", text)
    is_plain = len(digits) == 12 and text in (digits, *(sign.join(re.findall("..", digits)) for sign in ":-"))
    mac = ":".join(re.findall("..", digits)).lower() if is_plain else text.lower()
    if not _MAC.fullmatch(mac) or int(mac[1], 16) & 1:
        raise InvalidInput(
            f"{option}: '{text}' is not the MAC address of a NIC.", "Set six pairs of digits such as 52:54:00:12:34:56."
        )
    return mac


def vlan_ranges(texts, option, least=1):
    """Return VLANs and ranges of them, such as 20-30, in their shortest form: in order, each VLAN once."""
    ids = set()
    for text in texts:
        found = _VLANS.fullmatch(text.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not found or not least <= first <= last <= _LAST_VLAN:
            raise InvalidInput(
                f"{option}: '{text}' is neither a VLAN nor a range of VLANs.",
                f"Set numbers from 1 to {_LAST_VLAN}, or ranges such as 20-30.",
            )
        ids.update(range(max(first, 1), last + 1))
    firsts = sorted(one for one in ids if one - 1 not in ids)
    lasts = sorted(one for one in ids if one + 1 not in ids)
    return tuple(str(first) if first == last else f"{first}-{last}" for first, last in zip(firsts, lasts))


def known_vlans(texts):
    """Return the stored VLANs of a NIC in the same form, without 0 for untagged traffic; others remain as they are."""
    try:
        return vlan_ranges(texts, "", least=0)
    except InvalidInput:
        return tuple(texts)

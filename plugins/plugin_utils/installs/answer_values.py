# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the values of an answer file before a template writes them.

System names (hostname, user, package) may contain the characters that all tools of the installer accept. Free text
(full name, comment of a key, command) may contain all printable characters; the templates quote it.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from urllib.parse import urlsplit

from ansible.utils.display import Display

from .answer_features import HASHES, PACKAGES, unsupported
from .answer_lists import is_reserved, is_time_zone
from .answer_types import wrong_types
from .answer_windows import name_problems, warnings_of

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_OPTION = r'[A-Za-z0-9-]+(?:="(?:[^"\\]|\\.)*")?'
_KEY = re.compile(
    rf"(?:{_OPTION}(?:,{_OPTION})* )?"
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh[.]com)"
    r" [A-Za-z0-9+/]{4,}={0,3}( [^ ].*)?"
)
_MOUNT = re.compile(r"/|(/[A-Za-z0-9_][A-Za-z0-9._-]*)+|swap")
_SIZE = re.compile(r"[1-9][0-9]*[MGT]")
#: {option: (pattern, what is allowed)} of options with a fixed format.
_FORMATS = {
    "hostname": (_LABEL, "letters, digits and dashes (the domain is a separate value)"),
    "domain": (rf"{_LABEL}(?:[.]{_LABEL})*", "names of letters, digits and dashes, with dots between them"),
    "user": ("[a-z_][a-z0-9_-]{0,30}", "lower-case letters, digits, underscores and dashes, 31 at most"),
    "locale": (r"C(?:[.]UTF-8)?|[a-z]{2,3}_[A-Z]{2}(?:[.]UTF-8)?", "a form such as en_US.UTF-8"),
    "keyboard": (
        r"[a-z]{2,5}(?:[(][a-z0-9_-]{1,20}[)])?",
        "a layout such as us, or one with a variant such as us(intl)",
    ),
    "timezone": (r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2}", "a name such as UTC or Europe/Berlin"),
    "disk": (r"/dev/[A-Za-z0-9][A-Za-z0-9._/:-]*", "a path such as /dev/vda"),
}
#: The same for (installer, option), where an installer needs another format.
_FORMATS_BY_INSTALLER = {
    ("windows", "hostname"): ("(?![0-9]+$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,13}[A-Za-z0-9])?", "15 characters at most"),
    ("windows", "user"): ("Administrator|[a-z_][a-z0-9_-]{0,19}", "Administrator, or 20 lower-case letters at most"),
    ("windows", "timezone"): (r"[A-Za-z0-9._()/ +-]+", "a name such as W. Europe Standard Time or Europe/Berlin"),
    ("windows", "disk"): ("[0-9]{1,2}", "the number of a disk, such as 0"),
    # They ask again for a name that begins with an underscore: OpenBSD's then goes on without a user.
    **dict.fromkeys(
        (("openbsd", "user"), ("preseed", "user")),
        (
            "[a-z][a-z0-9_-]{0,30}",
            "a lower-case letter, then lower-case letters, digits, underscores and dashes, 31 at most",
        ),
    ),
    **dict.fromkeys(
        ((name, "keyboard") for name in ("alpine", "openbsd", "windows")),
        ("[a-z]{2,5}", "a layout such as us, without a variant"),
    ),
    ("openbsd", "disk"): ("(?:sd|wd)[0-9]{1,2}", "a name such as sd0"),
}
#: {option: the schemes of its address}. The security service of Debian's installer knows http only.
_SCHEMES = {
    "mirror": ("http", "https"),
    "security_mirror": ("http",),
    "proxy": ("http", "https"),
    "disklabel_url": ("http", "https", "file"),
}
#: cmd runs lines with at most 8191 characters.
_LINE_LIMIT = 8000
_INTERFACE = "[A-Za-z][A-Za-z0-9._-]{0,14}"
_MAC = r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}"


def problems_of(values):
    """Return a sentence for each invalid value, which begins with the name of the option; empty if all are valid.

    ``values``: the variables of the role unattended_install without their prefix, and ``installer``, the kind of file.
    """
    # The other checks expect lists and text.
    return list(wrong_types(values)) or [*unsupported(values), *_all_problems(values)]


def checked(values):
    """Return the problems; if there are none, warn of values that stop an installer on some media only."""
    found = problems_of(values)
    for one in () if found else warnings_of(values):
        Display().warning(f"unattended_install_{one}")
    return found


def _all_problems(values):
    installer = values["installer"]
    yield from _format_problems(values, installer)
    yield from _text_problems(values, installer)
    yield from _windows_problems(values)
    yield from _login_problems(values, installer)
    yield from _layout_problems(values["disk_layout"])
    yield from _network_problems(values["network"], installer)
    yield from _address_problems(values)
    for package in values["packages"]:
        if not re.fullmatch(PACKAGES[installer], package):
            yield f"packages: '{package}' is not the name of a package."
    for name in ("early_commands", "late_commands"):
        for place, command in enumerate(values[name]):
            yield from _command_problems(f"{name}[{place}]", command, installer)


def _address_problems(values):
    for name, schemes in _SCHEMES.items():
        text = "" if (name, values[name]) == ("security_mirror", "none") else values[name]
        if "@" in text:
            # The installers write it to files that all users of the guest can read, and to the kernel's command line.
            yield f"{name}: an address with @, as one with a password has, is not supported. Use one without."
        elif text and not _is_url(text, schemes):
            yield f"{name}: '{text}' is not an address such as {schemes[0]}://mirror.example.org/debian."


def _format_problems(values, installer):
    for name, form in _FORMATS.items():
        pattern, allowed = _FORMATS_BY_INSTALLER.get((installer, name), form)
        value = values[name]
        is_optional = name == "domain" or (installer, name) == ("openbsd", "disk")
        if not (is_optional and value == "") and not re.fullmatch(pattern, value):
            yield f"{name}: '{value}' is invalid. Allowed: {allowed}."


def _text_problems(values, installer):
    if installer != "windows" and not is_time_zone(values["timezone"]):
        yield f"timezone: '{values['timezone']}' is not a time zone that the controller knows, such as Europe/Berlin."
    if is_reserved(values["user"], installer):
        yield f"user: '{values['user']}' is a user or group of the system. Choose another name."
    if not is_line(values["full_name"]) or set(values["full_name"]) & set(":,=\\"):
        yield "full_name: must be one line without blanks at its ends, and without the characters : , = and backslash."
    for name in values["sets"]:
        if not re.fullmatch(r"[+-]?[a-z0-9*][a-z0-9.*-]*", name):
            yield f"sets: '{name}' is not a set. Use a name or a pattern such as -game*."


def _windows_problems(values):
    yield from name_problems(values)
    if not re.fullmatch("[A-Za-z0-9 ()._-]*", values["windows_image"]):
        yield f"windows_image: '{values['windows_image']}' is neither the number nor the name of an image."
    if not re.fullmatch("([a-z]{2,3}(-[A-Za-z0-9]{2,8})+)?", values["windows_language"]):
        yield f"windows_language: '{values['windows_language']}' is not a language such as en-US."
    for path in values["windows_drivers"]:
        if not re.fullmatch(r"[A-Z]:(?:\\[A-Za-z0-9._-]+)+", path):
            yield rf"windows_drivers: '{path}' is not a directory such as E:\vioscsi\2k22\amd64."
    if not re.fullmatch("([A-Z0-9]{5}(-[A-Z0-9]{5}){4})?", values["product_key"]):
        yield "product_key: must have the form AAAAA-BBBBB-CCCCC-DDDDD-EEEEE."


def is_line(text):
    """Return whether a text is one line of printable characters without blanks at its ends."""
    return text == text.strip() and all(is_printable(letter) for letter in text)


def is_printable(letter):
    """Return False for control characters, line separators, surrogates, unassigned characters and byte order marks."""
    return unicodedata.category(letter) not in ("Cc", "Cs", "Cn", "Zl", "Zp") and letter not in "\ufeff\ufffe\uffff"


def _login_problems(values, installer):
    if not (values["password"] or values["password_hash"] or values["ssh_keys"]):
        yield "ssh_keys: nobody could log in. Set ssh_keys, password or password_hash."
    if values["password"] and values["password_hash"] and installer != "windows":
        yield "password_hash: set either password or password_hash."
    if values["password"] and not all(is_printable(letter) for letter in values["password"]):
        yield "password: must not contain control characters."
    pattern, form = HASHES[installer]
    if values["password_hash"] and not re.fullmatch(pattern, values["password_hash"]):
        yield f"password_hash: is not {form}. The filter polyvirt.core.password_hash_for creates it."
    for place, key in enumerate(values["ssh_keys"]):
        if not _KEY.fullmatch(key) or not is_line(key):
            yield f"ssh_keys[{place}]: is not a public key in one line, such as 'ssh-ed25519 AAAA... name'."


def _layout_problems(layout):
    mounts = [part["mount"] for part in layout]
    if layout and "/" not in mounts:
        yield "disk_layout: has no partition for /."
    if "/boot/efi" in mounts:
        yield "disk_layout: the role creates the partition for /boot/efi with firmware uefi. Remove it."
    for mount in sorted({mount for mount in mounts if mounts.count(mount) > 1}):
        yield f"disk_layout: has {mount} more than once."
    for part in layout:
        if not _MOUNT.fullmatch(part["mount"]):
            yield f"disk_layout: '{part['mount']}' is neither a path nor swap."
        if not _SIZE.fullmatch(str(part["size"])):
            yield f"disk_layout: {part['mount']}: '{part['size']}' is not a size such as 4G."
    growing = [part["mount"] for part in layout if part.get("grow")]
    if len(growing) > 1:
        yield f"disk_layout: only one partition can grow, not {', '.join(growing)}."


def _network_problems(network, installer):
    given = {name: network.get(name) for name in ("address", "gateway", "nameservers") if network.get(name)}
    if network["method"] == "dhcp":
        if given.keys() - {"nameservers"}:
            yield "network: address and gateway need method static."
    else:
        yield from _static_address_problems(network)
    for server in network.get("nameservers") or ():
        if not _ip(server):
            yield f"network.nameservers: '{server}' is not an IPv4 address."
    pattern, what = (_MAC, "a MAC address") if installer == "windows" else (_INTERFACE, "the name of an interface")
    if network.get("interface") and not re.fullmatch(pattern, network["interface"]):
        yield f"network.interface: '{network['interface']}' is not {what}."


def _static_address_problems(network):
    try:
        address = ipaddress.IPv4Interface(network.get("address") or "")
    except ValueError:
        address = None
    if address is not None and ("/" not in network["address"] or not 1 <= address.network.prefixlen <= 31):
        address = None
    if address is None:
        yield f"network.address: '{network.get('address') or ''}' is not an IPv4 address with a prefix length."
    elif address.network.prefixlen < 31 and address.ip in (address.network[0], address.network[-1]):
        yield f"network.address: {address.ip} is the address of the network itself, or its broadcast address."
    gateway = _ip(network.get("gateway"))
    if gateway is None:
        yield f"network.gateway: '{network.get('gateway') or ''}' is not an IPv4 address."
    elif address is not None and gateway not in address.network:
        yield f"network.gateway: {gateway} is not in {address.network}."
    elif address is not None and gateway == address.ip:
        yield f"network.gateway: {gateway} is the address of the guest itself."


def _ip(text):
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        return None


def _is_url(text, schemes):
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    if parts.scheme not in schemes or not re.fullmatch(r"[A-Za-z0-9._~:/%+-]+", text):
        return False
    if parts.scheme == "file":
        return parts.path.startswith("/") and not host
    return bool(re.fullmatch(rf"{_LABEL}(?:[.]{_LABEL})*", host or ""))


def _command_problems(where, command, installer):
    if not command.strip() or not all(letter in "\n\t" or is_printable(letter) for letter in command):
        yield f"{where}: must be text without control characters."
    elif installer == "windows" and ("\n" in command or len(command) > _LINE_LIMIT):
        yield f"{where}: Windows runs commands of one line with at most {_LINE_LIMIT} characters."

# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read answer files as the reader of each format does."""

from __future__ import annotations

import base64
import re
import subprocess
from xml.etree import ElementTree

import yaml
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion

from platforms.vmm.double.response_file import lines

UNATTEND = "{urn:schemas-microsoft-com:unattend}"
_ENCODED = re.compile(r"echo ([A-Za-z0-9+/=]+) \| base64 -d")


def encoded_scripts(text):
    """The scripts within a command line, decoded."""
    return [base64.b64decode(found).decode() for found in _ENCODED.findall(text)]


def preseed(text):
    """{question: value}, by the rules of debconf-set-selections: the value is the rest of the line after one blank."""
    found = {}
    for line in text.split("\n"):
        assert not line.endswith("\\"), "the next line would be part of this one"
        if line and not line.startswith("#"):
            _owner, question, _type, value = [*line.split(" ", 3), ""][:4]
            assert question not in found
            found[question] = value
    return found


def autoinstall(text):
    assert text.startswith("#cloud-config\n")
    document = yaml.safe_load(text)
    assert list(document) == ["autoinstall"]
    return document["autoinstall"]


def kickstart(text, version="RHEL9"):
    """pykickstart's own handler, after it has read the file."""
    handler = makeVersion(version)
    KickstartParser(handler).readKickstartFromString(text)
    return handler


def shell(text, names):
    """{variable: value} after a shell has read the file as a script."""
    shown = "".join(f'printf "%s\\0" "${{{name}-}}"\n' for name in names)
    script = f"set -eu\n{text}\n{shown}"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True, env={"PATH": "/nonexistent"})
    assert not done.stderr
    return dict(zip(names, done.stdout.decode().split("\0")))


def install_conf(text):
    """{question: answer}, as OpenBSD's installer reads them."""
    found = [(line.key, line.value) for line in lines(text)]
    assert len(found) == len(text.splitlines()), "a line was lost"
    assert len(dict(found)) == len(found), "a question is answered twice"
    return dict(found)


def unattend(text):
    return ElementTree.fromstring(text.encode())


def texts_of(root, name):
    """The texts of all elements of this name."""
    return [element.text or "" for element in root.iter(f"{UNATTEND}{name}")]

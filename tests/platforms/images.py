# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on disk images, by QEMU's own tools."""

from __future__ import annotations

import hashlib
import json
import subprocess

from suite.limits import scaled

#: Bytes that are written and looked for.
AREA = 64 * 1024


def write(path, byte, at=0):
    """Write this byte all over an area of an image that nobody uses: its beginning, if not told otherwise."""
    assert "64 KiB" in _io(path, f"write -P {byte} {at} {AREA}")


def holds(path, byte, at=0):
    """Whether it is all over that area; the image may be in use."""
    return "failed" not in _io(path, f"read -P {byte} {at} {AREA}", "-r", "-U")


def _io(path, command, *how):
    """What qemu-io says to one command on an image of any format; a pattern that is not there is said, not raised."""
    image_format = chain_info(path)[0]["format"]
    words = ["qemu-io", *how, "-f", image_format, "-c", command, path]
    done = subprocess.run(words, capture_output=True, text=True, timeout=scaled(60), check=False)
    assert "64 KiB" in done.stdout or "Pattern verification failed" in done.stdout, f"{words}: {done}"
    return done.stdout


def chain(path):
    """An image and all it stands on, itself first."""
    return [image["filename"] for image in chain_info(path)]


def chain_info(path):
    words = ["qemu-img", "info", "-U", "--backing-chain", "--output=json", path]
    return json.loads(subprocess.run(words, capture_output=True, check=True).stdout)


def size(path):
    """Bytes of the disk that a guest sees."""
    return chain_info(path)[0]["virtual-size"]


def digest(path):
    """A file's content in short."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

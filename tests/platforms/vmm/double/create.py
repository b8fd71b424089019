# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``vmctl create``, which does not connect to vmd."""

from __future__ import annotations

from . import images, options, sizes
from .images import BadImage
from .options import Failure, Misuse

_TOO_LARGE = 1 << 40


def run(call, words):
    found, operands = options.parse(words, "b:i:s:")
    size, values = 0, dict(found)
    for letter, value in found:
        if letter == "s":
            size = _size(call, value)
    if len(operands) != 1:
        raise Misuse
    kind, path = images.kind_and_path(call.host, operands[0])
    if "i" in values:
        if "b" in values:
            raise Failure("vmctl: conflicting -b and -i arguments\n")
        return _convert(call, values["i"], kind, path, size)
    if "b" in values and kind != "qcow2":
        raise Failure("vmctl: base images require qcow2 disk format\n")
    if not size and "b" not in values:
        raise Misuse
    base = values.get("b", "")
    size = _base_size(call, base, size) if base else size
    try:
        images.create(call.host, path, kind, size, base)
    except OSError as reason:
        raise Failure(f"vmctl: create imagefile operation failed: {reason.strerror}\n") from None
    call.warn(f"{kind} imagefile created")
    return 0


def _size(call, text):
    try:
        number = sizes.read(text)
    except sizes.BadSize as reason:
        raise Failure(f"vmctl: invalid disk size: {text}: {reason}\n") from None
    if number < sizes.MEGABYTE:
        raise Failure("vmctl: disk size must be at least 1MB\n")
    rounded = number // sizes.MEGABYTE * sizes.MEGABYTE
    if rounded != number:
        call.warn(f"disk size rounded to {sizes.write(rounded)}")
    return rounded


def _base_size(call, base, size):
    try:
        header = images.header(call.host, base)
    except BadImage as reason:
        raise Failure(f"vmctl: {reason}\n") from None
    if size and size != header.size:
        raise Failure("vmctl: base size does not match requested size\n")
    return header.size


def _convert(call, source, kind, path, size):
    if call.is_old:
        # A bug of this release: it multiplies the size by 1048576 twice.
        size *= sizes.MEGABYTE
    with _opened(call, source) as image:
        if size and size < image.size:
            raise Failure("vmctl: size cannot be smaller than input disk size\n")
        if not size:
            size = -(-image.size // sizes.MEGABYTE) * sizes.MEGABYTE
            if size != image.size:
                call.warn(f"destination size rounded to {size // sizes.MEGABYTE} megabytes")
        try:
            images.create(call.host, path, kind, size, "")
        except OSError:
            raise Failure("vmctl: failed to create destination image file\n") from None
        if call.is_old and size >= _TOO_LARGE:
            # The copy would take hours.
            raise options.Hang
        try:
            images.copy(call.host, image, path, kind)
        except BadImage as reason:
            raise Failure(f"vmctl: vmctl: {reason}\n") from None
    call.warn(f"{kind} imagefile created")
    return 0


def _opened(call, source):
    kind, path = images.kind_and_path(call.host, source)
    text = ""
    try:
        return images.open_image(call.host, path, kind)
    except BadImage as reason:
        if reason.is_fatal:
            raise Failure(f"vmctl: vmctl: {reason}\n") from None
        text = f"vmctl: {reason}\n"
    except OSError:
        pass
    raise Failure(f"{text}vmctl: failed to open source image file\n")

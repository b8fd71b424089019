# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of checksums in the forms in which vendors publish them."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._media.verify import Checksum, checksum_in

A, B = "a" * 64, "B" * 64
LONG, MIDDLE = "c" * 128, "e" * 96


@pytest.mark.parametrize(
    ("text", "pattern", "found"),
    [
        (f"{A}  x.iso\n{B}  y.iso\n", "y.iso", Checksum("y.iso", "sha256", "b" * 64)),
        (f"{A} *x.iso\n", "x.iso", Checksum("x.iso", "sha256", A)),
        (f"{LONG}  ./netboot/linux\n", "netboot/linux", Checksum("netboot/linux", "sha512", LONG)),
        (f"# x.iso: 5 bytes\r\nSHA256 (x.iso) = {A}\r\n", "x.iso", Checksum("x.iso", "sha256", A)),
        (f"SHA256 (x.iso) = {A}\nSHA512 (x.iso) = {LONG}\n", "x.iso", Checksum("x.iso", "sha512", LONG)),
        (
            f"[checksums]\nimages/boot.iso = sha256:{B}\nimages/pxeboot/vmlinuz = sha256:{A}\n\n[general]\narch = x\n",
            "images/pxeboot/vmlinuz",
            Checksum("images/pxeboot/vmlinuz", "sha256", A),
        ),
        (f"images/pxeboot/vmlinuz = sha256:{A[:40]}\n", "images/pxeboot/vmlinuz", None),
        (f"{A}\n", "x.iso", Checksum("x.iso", "sha256", A)),
        (f"{A}\n", "x*.iso", None),
        (f"{A}  x.iso.asc\n", "x.iso", None),
        (f"{A[:40]}  x.iso\n", "x.iso", None),
        (f"SHA256(./x.iso)= {A}\n", "x.iso", Checksum("x.iso", "sha256", A)),
        (f"SHA2-512(x.iso)= {LONG}\n", "x.iso", Checksum("x.iso", "sha512", LONG)),
        (f"{MIDDLE}  x.iso\n", "x.iso", Checksum("x.iso", "sha384", MIDDLE)),
        (f"SHA384 (x.iso) = {MIDDLE}\n", "x.iso", Checksum("x.iso", "sha384", MIDDLE)),
        (f"{MIDDLE}\n", "x.iso", Checksum("x.iso", "sha384", MIDDLE)),
        (f"\ufeff{A}  x.iso\r\n", "x.iso", Checksum("x.iso", "sha256", A)),
        (f"{A}  iso/x.iso\n", "x.iso", Checksum("iso/x.iso", "sha256", A)),
        (f"{A}  old/x-2.iso\n{B}  x-1.iso\n", "x-*.iso", Checksum("x-1.iso", "sha256", "b" * 64)),
        (f"{A}  /home/builder/x.iso\n", "x.iso", Checksum("x.iso", "sha256", A)),
        (f"{A}  x-1.2-rc1.iso\n{B}  x-1.2.iso\n", "x-*.iso", Checksum("x-1.2.iso", "sha256", "b" * 64)),
        (f"{A}  x-1.2.iso\n{B}  x-1.3~beta2.iso\n", "x-*.iso", Checksum("x-1.3~beta2.iso", "sha256", "b" * 64)),
        ("", "x.iso", None),
        ("<html>\x00</html>", "*", None),
        (
            f"{A}  d-13.9.0-a.iso\n{B}  d-13.10.0-a.iso\n{A}  d-12.11.0-a.iso\n",
            "d-13.*-a.iso",
            Checksum("d-13.10.0-a.iso", "sha256", "b" * 64),
        ),
    ],
)
def test_file_is_found(text, pattern, found):
    assert checksum_in(text, pattern) == found

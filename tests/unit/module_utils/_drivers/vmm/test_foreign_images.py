# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image that names other files is rejected before anything is written."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.vmm.in_process import rejected
from unit.module_utils._media.test_foreign_image import overlay, text_vmdk, with_data_file


@pytest.mark.parametrize("build", [text_vmdk, overlay, with_data_file], ids=lambda build: build.__name__)
@pytest.mark.parametrize("linked", [False, True])
def test_image_that_names_another_file_is_rejected(host, tmp_path, build, linked):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret".ljust(4096, b"."))
    path = str(build(tmp_path, secret))
    rejected(host, f"image.source: {path} names", image={"source": path, "linked": linked})

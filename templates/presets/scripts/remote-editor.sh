# shellcheck shell=sh
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# An SSH server for editors that run their server in the guest, such as VS Code with Remote-SSH: the editor copies its
# own server there at the first connection, and reaches it by a forwarded port or socket.
add_packages openssh-server ca-certificates curl wget git tar gzip procps
install -d -m 0755 /etc/ssh/sshd_config.d /etc/sysctl.d
cat >/etc/ssh/sshd_config.d/50-remote-editor.conf <<'END'
AllowTcpForwarding yes
AllowStreamLocalForwarding yes
END
# Editors watch the files of a whole directory tree.
echo 'fs.inotify.max_user_watches = 524288' >/etc/sysctl.d/50-remote-editor.conf
install -d -m 0755 /run/sshd
sshd=$(command -v sshd || echo /usr/sbin/sshd)
"$sshd" -t
if has_booted; then
  sysctl -q -p /etc/sysctl.d/50-remote-editor.conf
  systemctl reload ssh
fi
"$sshd" -T | grep -i '^allow.*forwarding'

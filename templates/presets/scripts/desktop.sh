# shellcheck shell=sh
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The desktop GNOME, and for VirtualBox the guest additions of the distribution: they share the clipboard. The guest
# restarts a minute later, with the kernel that has the drivers of the desktop.
apt_get update
if [ "$(. /etc/os-release; echo "$ID")" = ubuntu ]; then
  # Images for clouds have a kernel without the drivers of VirtualBox.
  add_packages ubuntu-desktop-minimal linux-generic mesa-utils
  configuration=/etc/gdm3/custom.conf
else
  add_packages gnome-core linux-image-amd64 mesa-utils
  configuration=/etc/gdm3/daemon.conf
fi
# Ubuntu has them in multiverse; Debian 12 and 13 do not have them.
additions=$(existing virtualbox-guest-x11)
if [ -n "$additions" ]; then add_packages "$additions"; fi

# Whoever sees the screen of the VM is logged in. The additions of Ubuntu 24.04 share the clipboard with X11 only.
user=$(first_user)
mkdir -p /etc/gdm3
cat >"$configuration" <<END
[daemon]
AutomaticLoginEnable=true
AutomaticLogin=${user:-root}
WaylandEnable=false
END
if [ -d /usr/share/gnome-initial-setup ] && [ -n "$user" ]; then
  home=$(getent passwd "$user" | cut -d : -f 6)
  install -d -o "$user" -m 0755 "$home/.config"
  echo yes >"$home/.config/gnome-initial-setup-done"
  chown "$user" "$home/.config/gnome-initial-setup-done"
fi
ln -sf /usr/lib/systemd/system/graphical.target /etc/systemd/system/default.target
if has_booted; then shutdown -r +1; fi

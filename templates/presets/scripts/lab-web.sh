# shellcheck shell=sh
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The first tier of the lab: nginx, which passes requests on to the second tier.
add_packages nginx curl
cat >/etc/nginx/sites-available/default <<'END'
server {
  listen 80 default_server;
  location / {
    proxy_pass http://app:8080;
  }
}
END
# nginx looks the name up when it starts.
getent hosts app >/dev/null || echo 'app is not known: add it to /etc/hosts' >&2
if has_booted; then
  nginx -t
  systemctl enable nginx
  systemctl restart nginx
fi

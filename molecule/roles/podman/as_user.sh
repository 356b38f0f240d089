# What an ordinary user can do with the Podman that the role prepared; each answer a line.
set -e
podman image exists busybox || podman import /srv/test-cache/busybox.tar busybox >/dev/null 2>&1
podman run --rm busybox sh -c 'echo "$(id -u) runs"'
podman run --rm --user 1234 busybox id -u
podman run --rm busybox sh -c 'touch /f && chown 1000:1000 /f && stat -c %u:%g /f'
podman network create inner >/dev/null
podman run -d --name server --network inner --restart unless-stopped --label org.gpu-fleet.schema=1 -p 18080:80 busybox \
    sh -c 'mkdir -p /w; echo answered >/w/index.html; httpd -f -h /w' >/dev/null
podman run --rm --network inner busybox sh -c 'until wget -q -O - http://server/; do sleep 0.2; done'
python3 -c 'import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:18080/").read().decode().strip())'
systemctl --user is-enabled podman-restart.service
systemctl --user is-active podman.socket
podman info --format '{{.Host.Security.Rootless}}'

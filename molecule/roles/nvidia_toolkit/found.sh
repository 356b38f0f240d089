#!/bin/sh
# A host that somebody else has worked on. In the way of the role: an older toolkit, a list after older instructions with
# another key, a spec written by hand, the hook of old toolkits, and a Podman that is too old for specs of version 0.7.0.
set -eu
tar -xzf /srv/nvidia.tar.gz -C /srv
dpkg --install /srv/nvidia/deb/amd64/*_1.17.8-1_amd64.deb
echo 'deb [signed-by=/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg] file:///srv/nvidia/deb/$(ARCH) /' \
    >/etc/apt/sources.list.d/nvidia-container-toolkit.list
mkdir -p /etc/cdi /etc/docker /usr/share/containers/oci/hooks.d /etc/nvidia-container-toolkit
cat >/etc/cdi/nvidia.yaml <<'SPEC'
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices: [{name: gone, containerEdits: {deviceNodes: [{path: /dev/nvidia7}]}}]
SPEC
echo '{"version": "1.0.0", "hook": {"path": "/usr/bin/nvidia-container-toolkit"}}' \
    >/usr/share/containers/oci/hooks.d/oci-nvidia-hook.json
printf '{\n  "features": {"buildkit": true},\n  "log-opts": {"max-size": "10m"}\n}\n' >/etc/docker/daemon.json
printf '# kept\nNVIDIA_CTK_DEBUG=false\n' >/etc/nvidia-container-toolkit/nvidia-cdi-refresh.env
printf '#!/bin/sh\necho podman version 4.9.3\n' >/usr/local/bin/podman
chmod 755 /usr/local/bin/podman

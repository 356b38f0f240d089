#!/usr/bin/env bash
# Push a made image, or pull one: use.sh ENGINE push REFERENCE | ENGINE pull REFERENCE@DIGEST
# The last lines are the image's id and, of a push, its reference by digest. $REGISTRY_PASSWORD may be empty. Nothing of the
# password stays behind.
set -euo pipefail
exec 2>&1
engine=$1 verb=$2 reference=$3 folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export DOCKER_CONFIG=$folder REGISTRY_AUTH_FILE=$folder/auth.json
if [[ -n $REGISTRY_PASSWORD ]]; then
    "$engine" login --username fleet --password-stdin "${reference%%/*}" <<<"$REGISTRY_PASSWORD"
fi
if [[ $verb == push ]]; then
    "$engine" import /srv/test-cache/busybox.tar "$reference"
    if [[ $engine == podman ]]; then
        podman push --digestfile "$folder/digest" "$reference"
        digest=$(cat "$folder/digest")
    else
        docker push "$reference"
        digest=$(docker image inspect --format '{{index .RepoDigests 0}}' "$reference")
        digest=${digest#*@}
    fi
    "$engine" image inspect --format '{{.Id}}' "$reference" | sed 's/^sha256://'
    echo "${reference%:*}@$digest"
else
    "$engine" pull "$reference"
    "$engine" image inspect --format '{{.Id}}' "$reference" | sed 's/^sha256://'
fi

#!/usr/bin/env bash
# Runs the real Dockerfiles where there is no Docker: with buildah, in chroots, on a Debian of debootstrap's with this machine's
# Python 3.11 in the place where the official image has its own. As root, with apt's buildah and debootstrap; 20 GB; minutes.
# The workflow does the same with Docker. Differences: the base image, and no isolation but the file system's.
#
#   F5_TEST_IMAGE=1 python -m pytest tests/project/test_image.py -k images

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export STORAGE_DRIVER="${STORAGE_DRIVER:-overlay}" BUILDAH_ISOLATION=chroot
unset PYTHONDONTWRITEBYTECODE
work=$(mktemp -d)
containers=()
finish() {
  for container in "${containers[@]}"; do buildah rm "$container" >/dev/null; done
  [[ -z ${hub:-} ]] || kill "$hub"
  rm -rf "$work"
}
trap finish EXIT

base=localhost/f5-test-base
if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
  libraries=ca-certificates,netbase,tzdata,libssl3,libffi8,libbz2-1.0,liblzma5,libsqlite3-0,libreadline8,zlib1g,libuuid1,libncursesw6
  debootstrap --variant=minbase --include="$libraries" bookworm "$work/root"
  python3.11 - "$work/root/usr/local" <<'PYTHON'
import shutil, sys, sysconfig
from pathlib import Path

prefix, target = Path(sys.base_prefix), Path(sys.argv[1])
skip = shutil.ignore_patterns("site-packages", "dist-packages", "__pycache__", "test")
shutil.copytree(sysconfig.get_path("stdlib"), target / "lib/python3.11", ignore=skip, symlinks=True)
for library in prefix.glob("lib/libpython3*.so*"):
    shutil.copy2(library, target / "lib", follow_symlinks=False)
shutil.copy2(prefix / "bin/python3.11", target / "bin/python3.11")
for name in ("python3", "python"):
    (target / "bin" / name).symlink_to("python3.11")
PYTHON
  cp -L /etc/ssl/certs/ca-certificates.crt "$work/root/etc/ssl/certs/ca-certificates.crt"
  chroot "$work/root" ldconfig
  chroot "$work/root" /usr/local/bin/python3 -m ensurepip --default-pip
  ln -sf pip3 "$work/root/usr/local/bin/pip"
  container=$(buildah from scratch)
  containers+=("$container")
  buildah add -q "$container" "$work/root" /
  buildah config --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin --env LANG=C.UTF-8 \
    --env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt --env PIP_CERT=/etc/ssl/certs/ca-certificates.crt "$container"
  buildah commit -q "$container" "$base"
  rm -rf "$work/root"
fi

job='{"input": {"text": "Hello from F5-TTS."}}'

# The model hub's part: the build downloads the vocoder from it.
python3.11 - <<'PYTHON' >"$work/hub" &
import threading
from pathlib import Path
from tests.support.hub_server import hub_server

parts = {f"charactr/vocos-mel-24khz/{path.name}": path.read_bytes() for path in Path("f5_worker/model/demo/vocos").iterdir()}
with hub_server(parts) as server:
    print(server.url, flush=True)
    threading.Event().wait()
PYTHON
hub=$!
until [[ -s $work/hub ]]; do sleep 0.1; done
build=(buildah bud -q --pull-never --layers --build-arg "PYTHON_IMAGE=$base" --build-arg "HF_ENDPOINT=$(<"$work/hub")")

start() { # IMAGE OPTION... -- [ARGUMENT...]
  local image=$1 container options=()
  shift
  while [[ $1 != -- ]]; do options+=("$1") && shift; done
  container=$(buildah from --pull-never "$image")
  containers+=("$container")
  buildah run --isolation chroot "${options[@]}" "$container" -- /app/start.sh "${@:2}" | tee "$work/log"
  grep --quiet '^  "status": "\(completed\|healthy\|degraded\)"' "$work/log"
}

"${build[@]}" -f Dockerfile.runpod -t localhost/f5-test .
"${build[@]}" -f .runpod/Dockerfile -t localhost/f5-test-baked .

echo "--- the first worker on a volume, and the second"
mkdir "$work/volume"
demo=(--env F5TTS_MODEL=demo)
start localhost/f5-test "${demo[@]}" --volume "$work/volume:/runpod-volume" --env RUNPOD_POD_ID=one -- --test_input "$job"
start localhost/f5-test "${demo[@]}" --volume "$work/volume:/runpod-volume" --env RUNPOD_POD_ID=two -- --test_input "$job"
echo "--- no environment to be had"
start localhost/f5-test --env UV_OFFLINE=1 -- --test_input '{"input": {"endpoint": "health"}}'
grep --quiet '"status": "failed"' "$work/log"
echo "--- the environment in the image, as root and as another user"
start localhost/f5-test-baked "${demo[@]}" -- --test_input "$job"
start localhost/f5-test-baked "${demo[@]}" --user 12345:12345 -- --test_input "$job"
echo "--- alone, where there is no hub"
start localhost/f5-test-baked --env HF_HUB_OFFLINE=1 --
echo "all images build and speak"

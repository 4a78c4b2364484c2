#!/usr/bin/env bash
# Everything that must hold: lint, types, tests. Does its own set-up; arguments go to pytest (tests/run.sh -k synthesis).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Set on many build machines; without bytecode every import takes about twice as long.
unset PYTHONDONTWRITEBYTECODE
# Nothing here reaches a model hub, and one thread a process keeps parallel tests out of each other's way.
export HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false

# F5_PYTHON and F5_LOCAL_ROOT mean here what they mean for start.sh.
python=$("${F5_PYTHON:-python3}" setup_network_venv.py --requirements requirements.txt --requirements requirements-dev.txt)
if ! "$python" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("xdist") is None)'; then
  echo "tests/run.sh: the environment could not be built; the lines above say why" >&2
  exit 1
fi
PATH=$(dirname "$python"):$PATH

ruff check .
ruff format --check .
mypy
shellcheck start.sh tests/run.sh tests/build_image.sh .ci/run
hadolint Dockerfile.runpod .runpod/Dockerfile
python -m pytest --numprocesses "${TEST_PROCESSES:-4}" --dist loadfile "$@"

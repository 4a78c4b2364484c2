#!/usr/bin/env bash
# Starts the worker: the container's command, and the front door on a developer's machine.
#
#   ./start.sh --test_input '{"input": {"text": "Hello from F5-TTS."}}'     one job, here
#   ./start.sh --rp_serve_api                                               a local API on port 8000
#
# It finds a Python, lets setup_network_venv.py find or build the environment, and becomes handler.py with all arguments, so that
# signals arrive there. Whatever fails on the way, the worker starts: then on the Python that was found, to say what is wrong.
#
# Variables: F5_PYTHON (the Python to begin with), NETWORK_VOLUME (/runpod-volume), F5_LOCAL_ROOT (where to build without one),
# F5_IMAGE_ROOT (/opt: what is baked into the image). What the user has set always wins over what is set here.

set -u
shopt -s execfail # a failing exec must not end the container

project=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")

say() {
  printf '%-7s| start.sh: %s\n' "$1" "$2" >&2
}

is_new_enough() {
  "$1" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# The first Python 3.11 or newer: the one that is set, the version that requirements.txt was made for, any other, one that uv has.
find_python() {
  local candidate
  if [[ -n ${F5_PYTHON:-} ]] && ! is_new_enough "$F5_PYTHON"; then
    say WARN "F5_PYTHON does not name a Python 3.11 or newer; looking for another."
    F5_PYTHON=
  fi
  for candidate in ${F5_PYTHON:+"$F5_PYTHON"} python3.11 python3.12 python3.13 python3 python; do
    if is_new_enough "$candidate"; then
      command -v -- "$candidate"
      return
    fi
  done
  uv python find --no-project '>=3.11' 2>/dev/null
}

# The earlier image set this; without bytecode every import takes about twice as long.
unset PYTHONDONTWRITEBYTECODE

# The SDK's checks before the first job end the worker, and import torch; its default log level logs whole results. handler.py
# sets the same for those who start it by hand (f5_worker/sdk.py).
export RUNPOD_SKIP_AUTO_SYSTEM_CHECKS="${RUNPOD_SKIP_AUTO_SYSTEM_CHECKS:-true}"
export RUNPOD_SKIP_GPU_CHECK="${RUNPOD_SKIP_GPU_CHECK:-true}"
if [[ -z ${RUNPOD_LOG_LEVEL:-} && -z ${RUNPOD_DEBUG_LEVEL:-} ]]; then
  export RUNPOD_LOG_LEVEL=INFO
fi

if ! python=$(find_python); then
  say ERROR "There is no Python 3.11 or newer here. Install one (Debian, Ubuntu: apt-get install python3 python3-venv), or set F5_PYTHON."
  exit 127
fi

# Three lines: the interpreter, the folder for caches on the network volume or nothing, the report. The bootstrap is no foreground
# command, since bash would keep a stop signal to itself until it ends, and it may build for minutes.
exec {lines}< <(exec "$python" "$project/setup_network_venv.py" --launch)
bootstrap=$!
trap 'kill -TERM "$bootstrap" 2>/dev/null; wait "$bootstrap"; exit 143' TERM
trap 'kill -TERM "$bootstrap" 2>/dev/null; wait "$bootstrap"; exit 130' INT
interpreter='' caches='' report=''
IFS= read -r -u "$lines" interpreter
IFS= read -r -u "$lines" caches
IFS= read -r -u "$lines" report
exec {lines}<&-
trap - TERM INT

if [[ -z $interpreter || -z $report ]]; then
  say ERROR "The bootstrap ended without an answer; starting without an environment."
  interpreter=$python
  report='{"status": "failed", "place": "none", "interpreter": "", "folder": null, "fingerprint": "", "cause": "crash", "reason": "The bootstrap ended without an answer.", "mend": "Look at the log of the worker from its start.", "refresh_after": 600.0}'
fi
export F5_BOOTSTRAP_REPORT=$report

if [[ -n $caches ]]; then
  export HF_HOME="${HF_HOME:-$caches/huggingface}"
  export TORCH_HOME="${TORCH_HOME:-$caches/torch}"
  export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$caches/cache}"
  export TRITON_CACHE_DIR="${TRITON_CACHE_DIR:-$caches/triton}"
fi
baked_model="${F5_IMAGE_ROOT:-/opt}/f5-tts-worker/model"
if [[ -z ${F5TTS_MODEL:-} && -d $baked_model ]]; then
  export F5TTS_MODEL=$baked_model
fi

if [[ $report == '{"status": "failed"'* ]] &&
  ! "$interpreter" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("runpod") is None)'; then
  say ERROR "The worker cannot start on this Python, which has no RunPod SDK; mend what the bootstrap says above."
  exit 1
fi

exec "$interpreter" "$project/handler.py" "$@"

say ERROR "The environment's Python cannot be run; starting on $python."
export F5_BOOTSTRAP_REPORT='{"status": "failed", "place": "none", "interpreter": "", "folder": null, "fingerprint": "", "cause": "interpreter", "reason": "The interpreter of the environment cannot be run.", "mend": "Start a new worker; it will build the environment again.", "refresh_after": 600.0}'
exec "$python" "$project/handler.py" "$@"

#!/usr/bin/env bash
# Starts the worker: the container's command, and the front door on a developer's machine. ./start.sh --help says more.
#
# It does only what needs no Python: it finds one, and becomes handler.py with all arguments, which finds or builds the
# environment (bootstrap/enter.py).
#
# F5_PYTHON is the Python to begin with, and to make environments with.

set -u

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

if ! python=$(find_python); then
  say ERROR "There is no Python 3.11 or newer here. Install one (Debian, Ubuntu: apt-get install python3 python3-venv), or set F5_PYTHON."
  exit 127
fi

# Python reads variables before it runs any code of ours. Two kinds end the start, and are dropped: those that say where the
# files of another Python lie, and values with which none starts (PYTHONHASHSEED=abc, a PYTHONPATH with a broken module).
drop() {
  say WARN "$1 is not used: $2."
  unset "$1"
}

starts_with() {
  (
    for name in "${!PYTHON@}"; do
      [[ " $* " == *" $name "* ]] || unset "$name"
    done
    exec "$python" -c 'import sys; sys.exit("a".encode(sys.stdout.encoding) != b"a")'
  ) >/dev/null 2>&1 </dev/null
}

read_by_python=()
for name in "${!PYTHON@}"; do
  case $name in
    PYTHONHOME | PYTHONPLATLIBDIR | PYTHONEXECUTABLE | PYTHONINSPECT) drop "$name" 'it leads Python away from the worker' ;;
    PYTHONUNBUFFERED | PYTHONDONTWRITEBYTECODE) ;; # any value will do, and many images set them
    *) read_by_python+=("$name") ;;
  esac
done
if [[ ${read_by_python[*]} ]] && ! starts_with "${read_by_python[@]}"; then
  for name in "${read_by_python[@]}"; do
    starts_with "$name" || drop "$name" 'Python does not start with its value, or cannot be read'
  done
fi

unset F5_BOOTSTRAP_REPORT # of the worker in whose shell this may have been typed
exec "$python" "$project/handler.py" "$@"

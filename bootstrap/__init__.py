"""Builds, shares and finds the Python environment that the worker speaks with. Standard library only; ``handler.py``
enters through it, ``setup_network_venv.py`` is its front for people and scripts.

    enter.py             where handler.py begins: on a Python without the packages it becomes the one that has them
    variables.py         what Python itself reads from the environment
    packages.py          which these are
    choose.py            the decisions of one start: which environment, where to build, what instead
    report.py            what came of it, handed to the worker
    options.py           the times and sizes that can be set
    guard.py             answers jobs while the worker hangs in its imports
    places.py            where environments may lie: the image, the network volume, a local folder
    store.py             the environments of one place: fingerprints, markers, what may be removed
    trust.py             whether a ready one can still be used: notes of those who died over it
    sweep.py             a process of its own that removes it
    survey.py            all that a start wants to know of one place
    door.py              whether the network volume answers
    apart.py             work on it in a child, which may hang there
    lease.py             who of many workers builds
    hot.py               a start from the volume without waiting for it: pack.py the format, opened.py, repack.py
    libraries.py         the large libraries, which stay on the volume, read ahead: read_ahead.py
    turn.py              the others wait
    build.py             one build, from the space check to the marker
    room.py              how much room it needs
    publish.py           the environment's copy to the network volume, in a process of its own
    copying.py           file by file, many at once
    publication.py       what became of it
    installers.py        uv, or pip
    die_with_parent.py   an installer does not outlive its builder
    installer_errors.py  an installer's output in plain words
    import_check.py      runs inside a new environment before it counts as ready
    check.py             the state of all places, for setup_network_venv.py --check
"""

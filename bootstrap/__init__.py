"""Builds, shares and finds the Python environment that the worker speaks with. Standard library only; ``handler.py``
enters through it, ``setup_network_venv.py`` is its front for people and scripts.

    enter.py             where handler.py begins: on a Python without the packages it becomes the one that has them
    variables.py         what Python itself reads from the environment
    packages.py          which these are
    choose.py            the decisions of one start: which environment, where to build, what instead
    report.py            what came of it, handed to the worker
    options.py           the times and sizes that can be set
    places.py            where environments may lie: the image, the network volume, a local folder
    store.py             the environments of one place: fingerprints, markers, what may be removed
    trust.py             whether a ready one can still be used: notes of those who died over it
    sweep.py             a process of its own that removes it
    lease.py             who of many workers builds
    build.py             one build, from the space check to the marker
    installers.py        uv, or pip
    die_with_parent.py   an installer does not outlive its builder
    installer_errors.py  an installer's output in plain words
    import_check.py      runs inside a new environment before it counts as ready
    check.py             the state of all places, for setup_network_venv.py --check
"""

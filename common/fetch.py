"""Downloads one of torchvision's data sets: `python fetch.py MNIST folder`.

A process of its own, started and watched by `common.data`, because a name look-up or a server that trickles can hold
up a thread for minutes, while a process can be ended.
"""

import sys


def fetch(name: str, folder: str) -> None:
    """Downloads, checks (MD5, torchvision's) and unpacks the set `name` into `folder`."""
    from torchvision import datasets

    print("ready", flush=True)  # from here on silence counts
    getattr(datasets, name)(folder, download=True)


if __name__ == "__main__":
    try:
        fetch(*sys.argv[1:])
    except Exception as error:
        sys.exit(" ".join(str(error).split()) or type(error).__name__)

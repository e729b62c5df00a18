"""Downloads one of torchvision's data sets, or a network's weights: `python fetch.py MNIST folder`.

A process of its own, started and watched by `common.data.download`, because a name look-up or a server that trickles
can hold up a thread for minutes, while a process can be ended.
"""

import os
import sys
import threading

WEIGHTS = {
    "weights-inception-2015-12-05-6726825d.pth": "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
}


def fetch(name: str, folder: str) -> None:
    """Downloads into `folder` and checks: weights by the SHA-256 in their name, sets by torchvision's MD5."""
    from torch import hub
    from torchvision import datasets

    print("ready", flush=True)  # from here on silence counts
    if name in WEIGHTS:
        checksum = name.removesuffix(".pth").rpartition("-")[2]
        hub.download_url_to_file(WEIGHTS[name] + name, f"{folder}/{name}", hash_prefix=checksum, progress=False)
    else:
        getattr(datasets, name)(folder, download=True)


def end_with_the_parent() -> None:
    """Ends this process when the other side of standard input is closed, as it is when the parent is gone."""
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with_the_parent, daemon=True).start()
    try:
        fetch(*sys.argv[1:])
    except Exception as error:
        sys.exit(" ".join(str(error).split()) or type(error).__name__)

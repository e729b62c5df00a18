"""Downloads one of torchvision's data sets, or a network's weights: `python fetch.py MNIST folder`.

A process of its own, started and watched by `common.data.named.download`, because a name look-up or a server that
trickles can hold up a thread for minutes, while a process can be ended.
"""

import os
import queue
import socket
import sys
import threading
import time
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

WEIGHTS = {
    "weights-inception-2015-12-05-6726825d.pth": "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
}
HOSTS = {  # that torchvision asks
    "MNIST": ("ossci-datasets.s3.amazonaws.com", "yann.lecun.com"),
    "FashionMNIST": ("fashion-mnist.s3-website.eu-central-1.amazonaws.com",),
    "KMNIST": ("codh.rois.ac.jp",),
    "QMNIST": ("raw.githubusercontent.com",),
    "EMNIST": ("biometrics.nist.gov",),
    "CIFAR10": ("www.cs.toronto.edu",),
    "CIFAR100": ("www.cs.toronto.edu",),
    "SVHN": ("ufldl.stanford.edu",),
    "CelebA": ("drive.google.com",),
    **{name: (urlsplit(folder).hostname,) for name, folder in WEIGHTS.items()},
}
PARTS = {  # what brings the parts of a set, where torchvision wants to know; any of EMNIST's brings them all
    "EMNIST": ({"split": "balanced"},),
    "QMNIST": ({"what": "train"}, {"what": "test"}),
    "SVHN": ({"split": "train"}, {"split": "test"}),
}
PORTS = {"https": 443, "http": 80}  # torchvision tries both
ANSWER_SECONDS = 3.0  # where there is a network, a connection stands in a tenth of it


def reach(hosts: tuple[str, ...]) -> None:
    """Returns once one of the hosts, or the proxy before it, has taken a connection. Raises ConnectionError.

    That there is no network is so found out at once, before torchvision is imported, which takes seconds.
    """
    found: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    addresses = {address_of(host, scheme) for host in hosts for scheme in PORTS}
    for address in addresses:
        threading.Thread(target=lambda address=address: found.put(trouble_with(address)), daemon=True).start()
    until, troubles = time.monotonic() + ANSWER_SECONDS, []
    while len(troubles) < len(addresses):
        try:
            trouble = found.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise ConnectionError(f"no answer within {ANSWER_SECONDS:.0f} s") from None
        if trouble is None:
            return
        troubles.append(trouble)
    raise ConnectionError(", ".join(sorted(set(troubles))))


def address_of(host: str, scheme: str) -> tuple[str | None, int]:
    """Where a download from the host connects to: the proxy that the environment or the system names, or the host."""
    proxy = getproxies().get(scheme)
    if not proxy or proxy_bypass(host):
        return host, PORTS[scheme]
    parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return parts.hostname or host, parts.port or PORTS[scheme]


def trouble_with(address: tuple[str | None, int]) -> str | None:
    """Why there is no connection to be had, if there is none."""
    try:
        socket.create_connection(address).close()
    except (OSError, ValueError) as error:
        return f"{address[0]}: {getattr(error, 'strerror', None) or error}"
    return None


def fetch(name: str, folder: str) -> None:
    """Downloads into `folder` and checks: weights by the SHA-256 in their name, sets by torchvision's MD5."""
    from torch import hub
    from torchvision import datasets

    print("ready", flush=True)  # from here on silence counts
    if name in WEIGHTS:
        checksum = name.removesuffix(".pth").rpartition("-")[2]
        hub.download_url_to_file(WEIGHTS[name] + name, f"{folder}/{name}", hash_prefix=checksum, progress=False)
    else:
        for part in PARTS.get(name, ({},)):
            getattr(datasets, name)(folder, download=True, **part)


def end_with_the_parent() -> None:
    """Ends this process when the other side of standard input is closed, as it is when the parent is gone."""
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with_the_parent, daemon=True).start()
    try:
        reach(HOSTS[sys.argv[1]])
        fetch(*sys.argv[1:])
    except Exception as error:
        sys.exit(" ".join(str(error).split()) or type(error).__name__)

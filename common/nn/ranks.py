"""The processes of one run, each with a share of every batch: which of them this is, and what they do together.

torchrun starts them and says in the environment how many there are. A process alone is one of one, and nothing here
costs it anything.
"""

import contextlib
import datetime
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from common.errors import BadArgument, Lost, Refusal

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")
SAID_BY_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
# The first may download, decode or score while the others wait for it.
TIMEOUT = datetime.timedelta(minutes=30)
CPU = torch.device("cpu")


def _has_others() -> bool:
    return dist.is_available() and dist.is_initialized()


def world() -> int:
    """How many processes this run has."""
    return dist.get_world_size() if _has_others() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if _has_others() else 0


def is_first() -> bool:
    """Whether this is the one that writes, says and scores."""
    return rank() == 0


def join(on_gpus: bool) -> None:
    """Waits for the other processes, if the environment says that there are others. Raises BadArgument or Lost."""
    if not all(os.environ.get(name) for name in SAID_BY_TORCHRUN):
        return
    try:
        others = int(os.environ["WORLD_SIZE"]) - 1
    except ValueError:
        raise BadArgument(f"$WORLD_SIZE is {os.environ['WORLD_SIZE']!r}, no number: start with torchrun") from None
    if others:
        with _together():
            # What is agreed on goes through gloo, also where gradients go from GPU to GPU.
            dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpus else "gloo", timeout=TIMEOUT)


def leave() -> None:
    if _has_others():
        with contextlib.suppress(RuntimeError):  # the others may be gone
            dist.destroy_process_group()


def own_gpu(device: torch.device) -> torch.device:
    """The GPU of this process, which is the current one from now on; a CPU as it is. Raises BadArgument."""
    if world() == 1 or device.type == "cpu":
        return device
    if device.type != "cuda" or device.index is not None:
        raise BadArgument(
            f"--device {device}: is one GPU, and each of {world()} processes needs its own: give cuda or cpu"
        )
    local = int(os.environ["LOCAL_RANK"])
    if local >= torch.cuda.device_count():
        raise BadArgument(
            f"torchrun started more processes on this machine than it has GPUs ({torch.cuda.device_count()}); give"
            f" --nproc-per-node {torch.cuda.device_count()}, or --device cpu"
        )
    torch.cuda.set_device(local)
    return device


@contextlib.contextmanager
def _together() -> Iterator[None]:
    """Raises Lost where another process does not take part."""
    try:
        yield
    except RuntimeError as error:  # gloo's, NCCL's and the store's
        raise Lost(
            "another process of this run has ended, or is out of reach; what was saved before is whole, and the same"
            " line goes on from it"
        ) from error


# --- a share of every batch


def share_of(draw: Callable[[int], Tensor], count: int) -> Tensor:
    """This process's `count` of what `draw(number)` gives for all processes, every world-th from its rank on.

    All draw the same, so that what a batch is does not depend on how many processes share it.
    """
    return draw(count) if world() == 1 else shared(draw(count * world()))


def shared(whole: Tensor) -> Tensor:
    """This process's share of what all have."""
    return whole[rank() :: world()]


def one_each(x: Tensor) -> Tensor:
    """A number from U[0, 1) for each x, (N, 1, ..., 1)."""
    return share_of(lambda count: torch.rand(count, *[1] * (x.dim() - 1), device=x.device), len(x))


def average_gradients(parameters: Sequence[Tensor]) -> None:
    """The mean over all processes in place of each one's own, by one exchange, in float32 at least."""
    if world() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat(
        [gradient.reshape(-1).to(torch.promote_types(gradient.dtype, torch.float32)) for gradient in gradients]
    )
    _sum(flat).div_(world())
    parts = flat.split([gradient.numel() for gradient in gradients])
    torch._foreach_copy_(gradients, [part.view_as(own) for part, own in zip(parts, gradients, strict=True)])


# --- what all know


def _sum(values: Tensor) -> Tensor:
    with _together():
        dist.all_reduce(values)
    return values


def mean(values: Tensor) -> Tensor:
    """Over the processes, of floats on any device."""
    return values if world() == 1 else _sum(values.clone()).div_(world())


def largest(values: Sequence[int]) -> list[int]:
    """Of each value that of the process where it is largest."""
    if world() == 1:
        return list(values)
    found = torch.tensor([int(value) for value in values])
    with _together():
        dist.all_reduce(found, dist.ReduceOp.MAX)
    return found.tolist()


def make_equal(tensors: Sequence[Tensor]) -> None:
    """The first process's values for all, in place."""
    if world() > 1:
        with _together(), torch.no_grad():
            for tensor in tensors:
                values = tensor.contiguous()
                dist.broadcast(values, 0)
                tensor.copy_(values)


def gathered(own: T) -> list[T]:
    """Every process's, by rank."""
    found: list[Any] = [own] * world()
    if world() > 1:
        with _together():
            dist.all_gather_object(found, own)
    return found


def first(do: Callable[[], T]) -> T:
    """What the first process alone does, as its result is known to all. A Refusal is everybody's."""
    if world() == 1:
        return do()
    told: list[Any] = [_tried(do) if is_first() else None]
    with _together():
        dist.broadcast_object_list(told, 0, device=CPU)
    ((result, refusal),) = told
    if refusal is not None:
        raise refusal
    return result


def in_turn(do: Callable[[], T]) -> T:
    """Each process does it, the others when the first is through. A Refusal of any is everybody's."""
    if world() == 1:
        return do()
    result, refusal = _tried(do) if is_first() else (None, None)
    first(lambda: _raise(refusal))
    if not is_first():
        result, refusal = _tried(do)
    for other in gathered(refusal):
        _raise(other)
    return result


def _tried(do: Callable[[], T]) -> tuple[T | None, Refusal | None]:
    try:
        return do(), None
    except Refusal as refusal:
        return None, refusal


def _raise(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise refusal

"""Which named part of a training pass an operator belongs to, of those that torch.profiler has seen.

Most are told by their names. The rest belong to the module that called them (``marked_modules``), and
those of the backward pass to the forward operator whose gradient they compute: both carry the same sequence
number.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn
from torch.autograd import DeviceType
from torch.autograd.profiler import record_function
from torch.autograd.profiler_util import FunctionEvent

from omnina.model import DocumentAttention, LanguageHead, RMSNorm

PRODUCTS, ATTENTION, LOSS = "products of matrices", "attention", "the loss without its products"
CASTS, NORMS, GATHERING, OTHER = "casts and copies", "norms and rotations", "gathering", "other"
PARTS = (PRODUCTS, ATTENTION, LOSS, CASTS, NORMS, GATHERING, OTHER)
MARK = "part: "
# Elementwise operators of attention are rotations; the joining of its rectangles is not told from them.
OF_MODULE = {RMSNorm: NORMS, DocumentAttention: NORMS, LanguageHead: LOSS}
ATTENTION_WORDS = ("scaled_dot_product", "varlen_attn", "flash_attention", "efficient_attention")
OF_NAME = {  # the first that fits; a product's casts are its children
    CASTS: {"to", "_to_copy", "copy_", "clone", "contiguous"},
    PRODUCTS: {"linear", "matmul", "mm", "addmm", "addmm_", "bmm", "baddbmm"},
    GATHERING: {
        *("index_select", "index_add", "index_add_", "index", "index_put_", "_index_put_impl_"),
        *("gather", "scatter_add_", "nonzero", "embedding", "embedding_dense_backward"),
    },
    NORMS: {"rms_norm", "_fused_rms_norm", "_fused_rms_norm_backward", "cos", "sin", "outer"},
}
BACKWARD = "autograd::engine::evaluate_function: "


@contextmanager
def marked_modules(model: nn.Module) -> Iterator[None]:
    """The block in which the profiler sees which of the modules in ``OF_MODULE`` called an operator."""
    marks = [
        (module, _Mark(OF_MODULE[type(module)])) for module in model.modules() if type(module) in OF_MODULE
    ]
    handles = [module.register_forward_pre_hook(mark.begin) for module, mark in marks]
    handles += [module.register_forward_hook(mark.end) for module, mark in marks]
    yield
    for handle in handles:
        handle.remove()


class _Mark:
    """A range in the profile that carries the name of a part."""

    def __init__(self, part: str) -> None:
        self.part = part

    def begin(self, *_: object) -> None:
        self.range = record_function(MARK + self.part)
        self.range.__enter__()

    def end(self, *_: object) -> None:
        self.range.__exit__(None, None, None)


def operators_by_part(events: Iterable[FunctionEvent]) -> Iterator[tuple[FunctionEvent, str]]:
    """Each operator and its part; not the marks, nor a GPU's kernels, whose time the operators carry."""
    on_host = [event for event in events if event.device_type == DeviceType.CPU]
    forward = _forward_operators(on_host)
    for event in on_host:
        if not event.name.startswith(MARK):
            yield event, part_of([each.name for each in _lineage(event, forward)])


def part_of(names: list[str]) -> str:
    """The part of an operator, from its name and the names of all that it was called within."""
    if any(word in name for name in names for word in ATTENTION_WORDS):
        return ATTENTION
    marked = next((name.removeprefix(MARK) for name in names if name.startswith(MARK)), OTHER)
    called = {name.removeprefix("aten::") for name in names}
    of_name = (part for part, operators in OF_NAME.items() if called & operators)
    if marked == LOSS:
        return PRODUCTS if PRODUCTS in of_name else LOSS
    return next(of_name, marked)


def _forward_operators(events: list[FunctionEvent]) -> dict[tuple[int, int], FunctionEvent]:
    """By thread and sequence number: the last that has it made the node of the backward pass."""
    forward = [event for event in events if event.sequence_nr >= 0 and not _in_backward(event)]
    forward.sort(key=lambda event: event.time_range.start)
    return {(event.thread, event.sequence_nr): event for event in forward}


def _in_backward(event: FunctionEvent) -> bool:
    return any(each.name.startswith(BACKWARD) for each in _ancestors(event))


def _ancestors(event: FunctionEvent | None) -> Iterator[FunctionEvent]:
    """The event itself, and what it was called within."""
    while event is not None:
        yield event
        event = event.cpu_parent


def _lineage(event: FunctionEvent, forward: dict[tuple[int, int], FunctionEvent]) -> Iterator[FunctionEvent]:
    """Ancestors, and those of the forward operator whose gradient is computed."""
    for each in _ancestors(event):
        yield each
        if each.name.startswith(BACKWARD):
            yield from _ancestors(forward.get((each.fwd_thread, each.sequence_nr)))

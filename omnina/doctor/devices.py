"""torch and what it computes on: its build, the GPUs, bf16 and float8, attention."""

import subprocess

import torch

from omnina.attention import chosen_attention
from omnina.doctor.check import FAILED, OK, WARNING, Check
from omnina.doctor.driver import driver_gpus, has_driver
from omnina.fp8 import FIRST_CAPABILITY, can_multiply_float8
from omnina.trainer_settings import auto_bf16

GET_TORCH = "install a torch built for your driver (pytorch.org, 'Get started') into this environment"
MOST_TAKEN = 0.1  # share of a GPU's memory that a bare context and a screen take


def checks() -> list[Check]:
    """Everything about torch and the devices."""
    found = [check_driver(), check_build(torch.version.cuda, torch.version.hip, torch.cuda.is_available())]
    found += [check_gpu(index) for index in range(torch.cuda.device_count())]
    return [*found, check_bf16(), check_float8(), check_attention()]


def check_driver() -> Check:
    """The GPUs that NVIDIA's driver shows."""
    try:
        gpus = driver_gpus()
    except (subprocess.SubprocessError, TypeError) as error:  # TypeError: fields that it does not know
        return Check(
            "nvidia driver", FAILED, str(error), "nvidia-smi must work first: restart, or mend the driver"
        )
    if gpus:
        names = ", ".join(f"{gpu.name} ({gpu.memory}, compute capability {gpu.capability})" for gpu in gpus)
        return Check("nvidia driver", OK, f"{gpus[0].driver}: {names}")
    return Check(
        "nvidia driver", OK, "nvidia-smi shows no GPU" if has_driver() else "none: no NVIDIA GPU here"
    )


def check_build(cuda: str | None, hip: str | None, usable: bool, *, driver: bool | None = None) -> Check:
    """What torch was built for, and whether that fits the machine.

    Args:
        cuda, hip: the versions that it was built for; None: not built for it.
        usable: torch can use a GPU.
        driver: NVIDIA's is loaded here; None: look.
    """
    driver = has_driver() if driver is None else driver
    built = f"{torch.__version__}, built for {_build(cuda, hip)}"
    if usable or not (driver or cuda or hip):
        return Check("torch build", OK, built)
    if driver and not cuda:
        return Check("torch build", FAILED, f"{built}, but there is an NVIDIA driver", GET_TORCH)
    if driver:
        remedy = f"update the driver, or {GET_TORCH}; CUDA_VISIBLE_DEVICES= trains on the CPU on purpose"
        return Check("torch build", FAILED, f"{built}, but it cannot use the GPU", remedy)
    return Check("torch build", OK, f"{built}; no GPU that it can use, so it computes on the CPU")


def _build(cuda: str | None, hip: str | None) -> str:
    if cuda:
        return f"CUDA {cuda}"
    return f"ROCm {hip}" if hip else "the CPU"


def check_gpu(index: int) -> Check:
    """A product of matrices on one GPU, and its free memory."""
    what, device = f"gpu {index}", torch.device("cuda", index)
    try:
        product = torch.ones(256, 256, device=device) @ torch.ones(256, 256, device=device)
        right = bool((product == 256).all())
        free, total = torch.cuda.mem_get_info(device)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        built = f"torch has kernels for {', '.join(torch.cuda.get_arch_list())}"
        return Check(what, FAILED, f"{_gpu(device)}: {reason} ({built})", GET_TORCH)
    if not right:
        return Check(
            what, FAILED, f"{_gpu(device)}: a product of ones is wrong", "the GPU is damaged: take another"
        )
    if free < (1 - MOST_TAKEN) * total:
        remedy = "nvidia-smi shows who holds the rest; end it, or choose with CUDA_VISIBLE_DEVICES"
        return Check(
            what, WARNING, f"{_gpu(device)}: {free / 1e9:.1f} of {total / 1e9:.1f} GB are free", remedy
        )
    return Check(what, OK, f"{_gpu(device)}: {free / 1e9:.1f} of {total / 1e9:.1f} GB are free")


def _gpu(device: torch.device) -> str:
    capability = ".".join(map(str, torch.cuda.get_device_capability(device)))
    return f"{torch.cuda.get_device_name(device)}, compute capability {capability}"


def check_bf16() -> Check:
    """What ``bf16: auto`` becomes here, and why."""
    on_gpu = torch.cuda.is_available()
    if auto_bf16(on_gpu=on_gpu):
        return Check("bf16", OK, "bf16: auto is true, the GPU multiplies bf16")
    if on_gpu:
        remedy = "use a GPU of compute capability 8.0 or later; the published configurations need bf16"
        return Check("bf16", WARNING, "bf16: auto is false, this GPU does not multiply bf16", remedy)
    return Check("bf16", OK, "bf16: auto is false, as torch sees no GPU")


def check_float8() -> Check:
    """Whether ``fp8: true`` would work."""
    if torch.cuda.is_available() and can_multiply_float8(torch.device("cuda", 0)):
        return Check("float8", OK, "fp8: true works")
    needed = ".".join(map(str, FIRST_CAPABILITY))
    return Check(
        "float8", OK, f"fp8: true is refused: needs a GPU of capability {needed} and requirements-gpu.txt"
    )


def check_attention() -> Check:
    """What ``attention: auto`` becomes here, and why."""
    cuda = torch.cuda.is_available()
    half = auto_bf16(on_gpu=cuda)
    chosen = chosen_attention("auto", cuda=cuda, half=half)
    why = f"{'CUDA' if cuda else 'no CUDA'}, {'bf16' if half else 'no bf16'}"
    kernel = {
        "varlen": "FlashAttention inside torch",
        "per_document": "SDPA, documents of like length together",
    }
    return Check("attention", OK, f"{chosen} ({kernel[chosen]}), as there is {why}")

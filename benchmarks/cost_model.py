"""What a training and a bulk run cost on one processor, one GPU, eight GPUs, a hundred machines: counted, not guessed.

    python benchmarks/cost_model.py [--head-ms 2.5] [--photo-ms 66] [--gpu-tflops 100] [--gpu-efficiency 0.15] ...

Counted: multiplications and bytes of the networks, from their ONNX graphs. Measured, and given as arguments: times of this
processor (`benchmarks/inference.py`, `benchmarks/loader.py`, `semiuhpe train`). Assumed, and named in the output: the peak of a
GPU and which share of it such networks reach, bandwidths, requests that an object store answers. Everything overlaps, so the
scarcest resource sets the rate, and is named.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx import numpy_helper, shape_inference

import semiuhpe.weights

FOLDER = Path(semiuhpe.weights.__file__).parent


@dataclass(frozen=True)
class Network:
    """macs: multiply-adds of one picture. parameters: count. traffic: bytes of weights and activations read and written."""

    macs: int
    parameters: int
    traffic: int


def count(model: Any, shape: tuple[int, ...], bytes_a_number: int = 4) -> Network:
    """Count convolutions and matrix products of a graph whose one input has this shape. Raises ValueError for a layer whose
    shape is not known.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    (entry,) = (value for value in model.graph.input if value.name not in constants)
    for axis, length in zip(entry.type.tensor_type.shape.dim, shape, strict=True):
        axis.dim_value = length
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in [*graph.value_info, *graph.input, *graph.output]
    } | {name: list(tensor.dims) for name, tensor in constants.items()}
    # An exported constant may pass through a node that changes its number format.
    for node in graph.node:
        if node.op_type == "Constant":
            shapes[node.output[0]] = list(numpy_helper.to_array(node.attribute[0].t).shape)
    macs = traffic = 0
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul"):
            continue
        out, weight = (shapes.get(name) for name in (node.output[0], node.input[1]))
        if not out or not weight or 0 in out:
            raise ValueError(f"{node.op_type} {node.name or node.output[0]}: its shape is not known")
        # Each output is a sum over all of a weight but its axis of outputs.
        macs += math.prod(out) * math.prod(weight) // (weight[0] if node.op_type == "Conv" else out[-1])
        read = shapes.get(node.input[0]) or [0]
        traffic += bytes_a_number * (math.prod(out) + math.prod(weight) + math.prod(read))
    return Network(macs, sum(math.prod(tensor.dims) for tensor in constants.values()), traffic)


@dataclass(frozen=True)
class Place:
    """Where work is done. cores, gpus: of one machine. gbit: its network, bits/s · 10⁹."""

    name: str
    machines: int
    cores: int
    gpus: int
    gbit: float


PLACES = (
    Place("this CPU", 1, 2, 0, 10),
    Place("1 GPU", 1, 16, 1, 25),
    Place("8 GPUs", 1, 96, 8, 100),
    Place("100 machines (1 GPU each)", 100, 16, 1, 25),
)


def slowest(rates: Mapping[str, float]) -> tuple[float, str]:
    """The rate of what overlaps, and which part sets it."""
    name = min(rates, key=lambda key: rates[key])
    return rates[name], name


def inference_rates(place: Place, pose: Network, detector: Network, args: argparse.Namespace) -> dict[str, float]:
    """Photos a second that each resource lets through."""
    looks = args.heads * (2 if args.mirrored else 1)
    rates = {
        "network": place.machines * place.gbit * 1e9 / 8 / (args.photo_kb * 1e3),
        "object store": args.store_gbit * 1e9 / 8 / (args.photo_kb * 1e3),
        "requests": args.requests * args.prefixes * args.photos_a_request,
    }
    cores = place.machines * place.cores
    if place.gpus:
        flops = 2 * (detector.macs + looks * pose.macs)
        gpus = place.machines * place.gpus
        rates["GPU"] = gpus * args.gpu_tflops * 1e12 * args.gpu_efficiency / flops
        rates["GPU memory"] = (
            gpus * args.gpu_gb_s * 1e9 / ((detector.traffic + looks * pose.traffic) / 2)
        )  # half floats
        rates["PCIe"] = gpus * args.pcie_gb_s * 1e9 / (3 * (640**2 + looks * 112**2))
        rates["decode"] = cores * args.decode_rate
    else:
        head_ms = args.head_mirror_ms if args.mirrored else args.head_ms
        rates["processor"] = cores * 1e3 / (1e3 / args.decode_rate + args.photo_ms + args.heads * head_ms)
    return rates


def training_rates(place: Place, pose: Network, args: argparse.Namespace) -> dict[str, float]:
    """Labelled heads a second of a supervised training that each resource lets through."""
    if not place.gpus:
        return {"processor": args.train_rate}
    ranks = place.machines * place.gpus
    at_size = pose.macs * (args.train_size / 112) ** 2
    gradients = 2 * 4 * pose.parameters * (ranks - 1) / ranks  # a ring sends and receives all but a part, twice
    link = args.pcie_gb_s * 1e9 if place.machines == 1 else place.gbit * 1e9 / 8
    return {
        "GPU": ranks * args.gpu_tflops * 1e12 * args.gpu_efficiency / (3 * 2 * at_size),  # backward is twice forward
        "loader": place.machines * place.cores * args.loader_rate,
        "gradients": math.inf if ranks == 1 else args.batch * ranks / (gradients / link),
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    measured = parser.add_argument_group("measured on one thread of this processor")
    measured.add_argument("--head-ms", type=float, default=2.5, help="a head (benchmarks/inference.py)")
    measured.add_argument("--head-mirror-ms", type=float, default=4.1, help="a head and its mirror image")
    measured.add_argument("--photo-ms", type=float, default=66.0, help="the detector, a photo of 640 pixels")
    measured.add_argument("--decode-rate", type=float, default=250.0, help="photos a second that a core decodes")
    measured.add_argument(
        "--loader-rate", type=float, default=2000.0, help="labelled views/s of a core (benchmarks/loader.py)"
    )
    measured.add_argument("--train-rate", type=float, default=147.0, help="heads/s of a supervised training, all cores")
    measured.add_argument("--train-size", type=int, default=128, help="pixels of that training")
    work = parser.add_argument_group("the work")
    work.add_argument("--heads", type=float, default=2.0, help="heads in a photo")
    work.add_argument("--mirrored", action=argparse.BooleanOptionalAction, default=True, help="mirror images too")
    work.add_argument("--photo-kb", type=float, default=120.0, help="a photo as a file")
    work.add_argument("--photos-a-request", type=float, default=1.0, help="1 for loose files, thousands for shards")
    work.add_argument("--batch", type=int, default=64, help="heads a step and GPU in training")
    assumed = parser.add_argument_group("assumed")
    assumed.add_argument("--gpu-tflops", type=float, default=100.0, help="peak of a GPU in half precision")
    assumed.add_argument("--gpu-efficiency", type=float, default=0.15, help="share of it that these networks reach")
    assumed.add_argument("--gpu-gb-s", type=float, default=900.0, help="its memory")
    assumed.add_argument("--pcie-gb-s", type=float, default=20.0)
    assumed.add_argument("--store-gbit", type=float, default=200.0, help="of an object store to all machines")
    assumed.add_argument("--requests", type=float, default=5500.0, help="reads a second of one prefix")
    assumed.add_argument("--prefixes", type=float, default=1.0, help="that inputs are spread over")
    return parser.parse_args()


def duration(seconds: float) -> str:
    """In the unit that people would use."""
    for limit, unit, length in ((120, "s", 1), (7200, "min", 60), (172800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds / 86400:.3g} days"


def main() -> None:
    """Print what was counted, what was assumed, and the table."""
    args = parse()
    pose = count(onnx.load(FOLDER / "head_pose.onnx"), (1, 112, 112, 3))
    detector = count(onnx.load(FOLDER / "head_detector.onnx"), (1, 640, 640, 3))
    print("| network | multiply-adds | parameters | memory traffic, float32 | this CPU, one thread |")
    print("|---|---|---|---|---|")
    rows = (("pose, 112 pixels", pose, args.head_ms), ("detector, 640 pixels", detector, args.photo_ms))
    for name, network, ms in rows:
        print(
            f"| {name} | {network.macs / 1e6:.0f} M | {network.parameters / 1e6:.2f} M | {network.traffic / 1e6:.0f} MB "
            f"| {ms:g} ms: {2 * network.macs / ms / 1e6:.0f} GFLOP/s |"
        )
    print(
        f"\nassumed: GPU {args.gpu_tflops:g} TFLOP/s peak, {args.gpu_efficiency:.0%} reached, memory {args.gpu_gb_s:g} GB/s, "
        f"PCIe {args.pcie_gb_s:g} GB/s; object store {args.store_gbit:g} Gbit/s, {args.requests:g} reads/s and prefix, "
        f"{args.prefixes:g} prefixes, {args.photos_a_request:g} photos a read of {args.photo_kb:g} kB each; {args.heads:g} "
        f"heads a photo{', mirrored' if args.mirrored else ''}; machines: "
        + ", ".join(f"{p.name}: {p.cores} cores, {p.gbit:g} Gbit/s" for p in PLACES)
    )
    print("\n| where | photos/s | limited by | then by | 10⁶ photos | 10⁹ photos | 1,000 training heads | limited by |")
    print("|---|---|---|---|---|---|---|---|")
    for place in PLACES:
        rates = inference_rates(place, pose, detector, args)
        rate, limit = slowest(rates)
        after, second = slowest({name: value for name, value in rates.items() if name != limit})
        heads, training = slowest(training_rates(place, pose, args))
        print(
            f"| {place.name} | {rate:.3g} | {limit} | {second}, {after:.3g} | {duration(1e6 / rate)} | {duration(1e9 / rate)} "
            f"| {1e3 / heads:.3g} s | {training} |"
        )


if __name__ == "__main__":
    main()

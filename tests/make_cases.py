#!/usr/bin/env python3
"""make_cases.py - makes case files, and checks those that there are.

    python3 tests/make_cases.py make FOLDER [PART]
        writes the cases below whose names contain PART
    python3 tests/make_cases.py check FILE...
        computes each file's expected values again and prints the largest
        relative L2 difference; exit status 1 if one is beyond 1e-6
    python3 tests/make_cases.py sees BACKBONE MODULE GAIN...
        prints for each norm_gain how much of its spread the output changes by
        when the input becomes another, or nothing, and how far float32 is from
        float64; exit status 1 if the last gain is blind or inexact

A case file is what "attnbench verify" reads: a .safetensors file with what a
module or a backbone must answer, and for a module also what it is asked.
Expected values come from PyTorch, in float64 and evaluation mode, from the
definitions in harness/peers/torch_modules.py and torch_backbones.py, which share
nothing with the C sources.  Weights and inputs are seeded: harness/network/seed.c has
the rule.

Needs PyTorch 1.13 or newer and NumPy; nothing else of attnbench does.
"""
import json
import os
import struct
import sys

import numpy as np
import torch

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "harness", "peers"))
import torch_backbones as backbones  # noqa: E402
import torch_modules as peer  # noqa: E402

NOTE = "eval mode; computed in float64, stored as float32"
LIMIT = 1e-6
SENSITIVITY, INEXACT = 1e-2, 5e-6

# Name, channels, height, width, seed; SA's 64 groups need 128 channels.
SHAPES = (("c64_14x14", 64, 14, 14, 11), ("odd_23x17", 96, 23, 17, 12),
          ("c512_7x7", 512, 7, 7, 13))
SA_CHANNELS = {64: 128, 96: 256}

# Settings that are not the defaults, on a batch of two; a module that is not
# listed has its defaults.
SETTINGS = (
    ("se", {"reduction": 4}), ("se_conv", {"reduction": 2}),
    ("eca", {"kernel_size": 5}), ("cpca", {"reduction": 4}),
    ("fca", {"reduction": 8, "dct_h": 14, "dct_w": 7}),
    ("cbam", {"reduction": 2}), ("ca", {"reduction": 2}),
    ("ela", {"kernel_size": 3, "groups": 4}), ("ema", {"factor": 4}),
    ("sa", {"group_num": 2}),
    ("scsa", {"head_num": 4, "window_size": 3,
              "group_kernel_sizes": [1, 5, 3, 11]}),
    ("scsa", {"window_size": -1}),
)
SETTINGS_SHAPE, SETTINGS_SEED = (2, 32, 8, 7), 31

# The variants of SCSA, Table 1 of its paper; 3x2 positions in the pooled map.
VARIANTS = (
    ("no_smsa", {"smsa": "off"}), ("no_pcsa", {"pcsa": "off"}),
    ("channel_first", {"order": "channel_first"}),
    ("norm_before", {"norm_position": "before"}),
    ("norm_none", {"norm": "none"}), ("norm_bn", {"norm": "bn"}),
    ("norm_ln", {"norm": "ln"}), ("norm_one_group", {"norm_groups": 1}),
    ("norm_bn_before", {"norm": "bn", "norm_position": "before"}),
    ("every_pixel", {"window_size": 1}),
    ("shuffled_heads", {"head_num": 4, "shuffle": "on"}),
    ("unshared", {"shared": "off"}),
    ("scale_pooled_map", {"scale": "pooled_map"}),
    ("scale_input_map", {"scale": "input_map", "head_num": 2}),
    ("one_size", {"group_kernel_sizes": [7]}),
    ("two_sizes", {"group_kernel_sizes": [3, 7]}),
    ("three_sizes", {"group_kernel_sizes": [3, 5, 9], "shared": "off"}),
)
VARIANTS_SHAPE, VARIANTS_SEED = (2, 12, 9, 7), 41

# With the norm_gain that lets the output depend on the input.
BACKBONES = (("resnet50", "none", 1), ("resnet50", "scsa", 1),
             ("resnet50", "cbam", 1), ("resnet50", "se_conv", 1),
             ("resnet101", "none", 1), ("resnet101", "scsa", 1),
             ("resnet18", "none", 1), ("resnet18", "fca", 1),
             ("resnet34", "scsa", 1), ("mobilenetv2_100", "none", 1),
             ("mobilenetv2_100", "scsa", 2), ("mobilenetv2_100", "eca", 1.5),
             ("mobilenetv2_100", "cbam", 1.75), ("repvgg_a0", "none", 1),
             ("repvgg_a0", "scsa", 2.7), ("repvgg_a0", "eca", 1.5),
             ("repvgg_a0", "ca", 2.5), ("acnet_r18", "none", 1),
             ("acnet_r18", "scsa", 1), ("repvit_m1_0", "none", 1),
             ("repvit_m1_0", "scsa", 1), ("swin_t", "none", 1),
             ("swin_t", "scsa", 1))
BACKBONE_SEED = 21
IMAGE = (1, 3, 224, 224)


def read_file(path):
    """Its metadata, and its tensors by name."""
    with open(path, "rb") as f:
        n, = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(n))
        data = f.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        values = np.frombuffer(data[begin:end], np.float32)
        tensors[name] = values.reshape(t["shape"])
    return metadata, tensors


def write_file(path, metadata, tensors):
    header, data = {"__metadata__": metadata}, b""
    for name, values in tensors.items():
        raw = np.ascontiguousarray(values, np.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": list(values.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def structured_input(shape, seed):
    """Channels, rows and columns differ, so that gates do."""
    n, c, h, w = shape

    def part(name, dims):
        return peer.seeded_input(dims, seed, name).astype(np.float64)

    x = part("input", shape) + part("input.chan", (n, c))[:, :, None, None]
    x = x + 0.5 * part("input.row", (n, c, h))[:, :, :, None]
    x = x + 0.5 * part("input.col", (n, c, w))[:, :, None, :]
    return x.astype(np.float32)


def parameters(net):
    """Parameters and running statistics, by name."""
    named = list(net.named_parameters())
    named += [(k, b) for k, b in net.named_buffers() if "running_" in k]
    return dict(named)


def module_case(module, config, shape, seed):
    """The tensors of a module's case, gradients included."""
    net = peer.make_module(module, shape[1], config).double().eval()
    peer.seed_values(net, seed)
    x = structured_input(shape, seed)
    grad = peer.seeded("grad_output", shape, seed, -1, 1)
    x64 = torch.from_numpy(x).double().requires_grad_()
    y = net(x64)
    y.backward(torch.from_numpy(grad).double())

    out = {"input": x}
    for name, t in parameters(net).items():
        out["param/" + name] = t.detach().numpy()
    out["output"] = y.detach().numpy()
    out["grad_output"] = grad
    out["grad_input"] = x64.grad.numpy()
    for name, t in net.named_parameters():
        out["grad/" + name] = t.grad.numpy()
    return out


def form_of(backbone):
    """The form that has the seeded values: ACNet's branches have no names but
    its authors', so that its file is of the other form."""
    return "deploy" if backbone == "acnet_r18" else "train"


def backbone_case(backbone, module, shape, seed, norm_gain):
    """Expected answers, and how many parameters the network has."""
    net = backbones.make_backbone(backbone, module).double()
    if form_of(backbone) == "deploy":
        backbones.deploy(net)
    net.double().eval()
    peer.seed_values(net, seed, norm_gain=norm_gain)
    x = torch.from_numpy(peer.seeded_input(shape, seed)).double()
    with torch.no_grad():
        maps = net.maps(x)
        out = {"output": net.logits(maps[-1]).numpy()}
        for i, m in enumerate(maps, 1):
            over = (2, 3) if m.ndim == 4 else 1         # tokens: (N,L,C)
            out[f"stage{i}"] = m.mean(over).numpy()
    return out, sum(p.numel() for p in net.parameters())


def module_cases():
    """Name, module, config, shape, seed of every module case."""
    for module in sorted(peer.MODULES):
        for name, c, h, w, seed in SHAPES:
            config = {}
            if module == "fca":             # a size that FcaNet has
                config = {"dct_h": min(h, w, 14), "dct_w": min(h, w, 14)}
            if module == "sa":
                c = SA_CHANNELS.get(c, c)
            yield f"{module}_{name}", module, config, (1, c, h, w), seed
    listed = {module for module, _ in SETTINGS}
    others = [(m, {}) for m in sorted(peer.MODULES) if m not in listed]
    settings = list(SETTINGS) + others
    for i, (module, config) in enumerate(settings):
        number = sum(m == module for m, _ in settings[:i + 1])
        yield (f"{module}_settings{number}", module, config, SETTINGS_SHAPE,
               SETTINGS_SEED)
    for name, config in VARIANTS:
        if config.get("pcsa") != "off":
            config = {"window_size": 3, **config}
        yield (f"scsa_variant_{name}", "scsa", config, VARIANTS_SHAPE,
               VARIANTS_SEED)


def make_modules(folder, part):
    for name, module, config, shape, seed in module_cases():
        if part not in name:
            continue
        write_file(os.path.join(folder, name + ".safetensors"),
                   {"kind": "module", "module": module,
                    "config": json.dumps(config), "seed": str(seed),
                    "layout": "NCHW", "note": NOTE},
                   module_case(module, config, shape, seed))
        print(name)


def make_backbones(folder, part):
    for backbone, module, norm_gain in BACKBONES:
        name = f"{backbone}_{module}"
        if part not in name:
            continue
        tensors, params = backbone_case(backbone, module, IMAGE, BACKBONE_SEED,
                                        norm_gain)
        metadata = {"kind": "backbone", "backbone": backbone, "module": module,
                    "seed": str(BACKBONE_SEED), "form": form_of(backbone),
                    "input": "x".join(map(str, IMAGE)), "params": str(params),
                    "note": "weights and input seeded; " + NOTE}
        if norm_gain != 1:
            metadata["norm_gain"] = str(norm_gain)
        write_file(os.path.join(folder, name + ".safetensors"), metadata,
                   tensors)
        print(name)


def again(metadata, tensors):
    """What the file's case comes to when it is computed now."""
    seed = int(metadata["seed"])
    if metadata["kind"] == "module":
        config = json.loads(metadata.get("config", "{}"))
        return module_case(metadata["module"], config,
                           tensors["input"].shape, seed)
    shape = tuple(map(int, metadata["input"].split("x")))
    out, params = backbone_case(metadata["backbone"], metadata["module"],
                                shape, seed,
                                float(metadata.get("norm_gain", 1)))
    if params != int(metadata["params"]):
        raise SystemExit(f"{params} parameters, not {metadata['params']}")
    return out


def difference(got, expected):
    """Relative L2; against 1 where all expected values are 0."""
    got, expected = got.astype(np.float64), expected.astype(np.float64)
    return np.linalg.norm(got - expected) / (np.linalg.norm(expected) or 1)


def check(paths):
    bad = 0
    for path in paths:
        metadata, tensors = read_file(path)
        computed = again(metadata, tensors)
        if set(computed) != set(tensors):
            odd = sorted(set(computed) ^ set(tensors))
            print(f"{path}: only on one side: {', '.join(odd)}")
            bad += 1
            continue
        worst = max(tensors,
                    key=lambda n: difference(computed[n], tensors[n]))
        d = difference(computed[worst], tensors[worst])
        bad += not d <= LIMIT
        print(f"{path}  {d:.1e} ({worst})")
    return bad


def looks(net):
    """The answers to noise, to other noise, to a structured map, to another,
    and to nothing."""
    x = [peer.seeded_input(IMAGE, 1), peer.seeded_input(IMAGE, 2),
         peer.seeded_structured(IMAGE, 1), peer.seeded_structured(IMAGE, 2),
         np.zeros(IMAGE, np.float32)]
    dtype = next(net.parameters()).dtype
    with torch.no_grad():
        return [net.logits(net.maps(torch.from_numpy(i).to(dtype))[-1])
                .double().numpy() for i in x]


def sees(backbone, module, gains):
    """The networks as they are timed: seed 1, form=train."""
    net = backbones.make_backbone(backbone, module).eval()
    for gain in gains:
        peer.seed_values(net.float(), 1, norm_gain=gain)
        inexact = looks(net)
        exact = looks(net.double())
        changes = [np.sqrt(np.mean((exact[other] - exact[i]) ** 2))
                   / np.std(exact[i])
                   for i, other in ((0, 1), (0, 4), (2, 3), (2, 4))]
        errors = [difference(inexact[i], exact[i]) for i in (0, 2)]
        print(f"{backbone} {module} norm_gain {gain:g}: changes by"
              + "".join(f" {c:.1e}" for c in changes) + ", float32 is off by"
              + "".join(f" {e:.1e}" for e in errors), flush=True)
    return min(changes) >= SENSITIVITY and max(errors) <= INEXACT


def main(argv):
    if len(argv) >= 2 and argv[0] == "check":
        return 1 if check(argv[1:]) else 0
    if 2 <= len(argv) <= 3 and argv[0] == "make":
        part = argv[2] if len(argv) == 3 else ""
        os.makedirs(argv[1], exist_ok=True)
        make_modules(argv[1], part)
        make_backbones(argv[1], part)
        return 0
    if len(argv) >= 4 and argv[0] == "sees":
        return 0 if sees(argv[1], argv[2], map(float, argv[3:])) else 1
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
